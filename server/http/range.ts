// Which bytes a request asks for: RFC 9110 sections 13 and 14, for one range. Pure.

export type Wanted =
  | { readonly kind: 'whole' }
  /** Bytes `from` (inclusive) to `to` (exclusive). */
  | { readonly kind: 'part'; readonly from: number; readonly to: number }
  | { readonly kind: 'unsatisfiable' };

const ONE_RANGE = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i;

/**
 * What a Range header asks of `size` bytes. Headers that are malformed, in another unit or of several ranges are ignored, as the
 * RFC allows: the whole is answered.
 */
export function wantedRange(header: string | undefined, size: number): Wanted {
  const match = ONE_RANGE.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return { kind: 'whole' };
  if (match[1] === '') {
    const count = Math.min(Number(match[2]), size);
    return count === 0 ? { kind: 'unsatisfiable' } : { kind: 'part', from: size - count, to: size };
  }
  const from = Number(match[1]);
  const last = match[2] === '' ? Number.POSITIVE_INFINITY : Number(match[2]);
  if (last < from) return { kind: 'whole' };
  if (from >= size) return { kind: 'unsatisfiable' };
  return { kind: 'part', from, to: Math.min(last + 1, size) };
}

/** What a thing is known by: a strong entity tag and the HTTP date of its last change. */
export interface Validators {
  readonly etag: string;
  readonly lastModified: string;
}

/** Whether If-Range lets a range be answered: absent, the very tag, or the very date. A weak tag never does. */
export function rangeHolds(ifRange: string | undefined, { etag, lastModified }: Validators): boolean {
  return ifRange === undefined || ifRange === etag || ifRange === lastModified;
}

/** Whether If-None-Match says that the client has it already. */
export function isKnown(ifNoneMatch: string | undefined, { etag }: Validators): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  return ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
