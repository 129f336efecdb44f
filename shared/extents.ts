// The algebra of extents: a version is a list of runs over immutable packs; a new one is its base, overlaid.
import { Failure } from './failure.ts';

/** A run of a version's bytes: `length` bytes that lie at raw offset `offset` of pack `pack`. */
export interface Extent {
  readonly length: number;
  /** Pack id: 64 lower-case hexadecimal digits. */
  readonly pack: string;
  readonly offset: number;
}

/** An extent with its place in the version. */
export interface PlacedExtent extends Extent {
  readonly at: number;
}

/** Total bytes of a list. */
export function lengthOf(extents: readonly Extent[]): number {
  let total = 0;
  for (const extent of extents) total += extent.length;
  return total;
}

/** Neighbours that continue one another in the same pack become one; empty ones vanish. The bytes stay the same. */
export function coalesce(extents: readonly Extent[]): Extent[] {
  const out: Extent[] = [];
  for (const extent of extents) {
    if (extent.length === 0) continue;
    const last = out.at(-1);
    if (last && last.pack === extent.pack && last.offset + last.length === extent.offset) {
      out[out.length - 1] = { ...last, length: last.length + extent.length };
    } else {
      out.push({ length: extent.length, pack: extent.pack, offset: extent.offset });
    }
  }
  return out;
}

/** The extents of bytes `from` (inclusive) to `to` (exclusive) of a list, none empty; shorter where the list ends before. */
export function slice(extents: readonly Extent[], from: number, to: number): Extent[] {
  const out: Extent[] = [];
  let start = 0;
  for (const extent of extents) {
    const end = start + extent.length;
    const skip = Math.max(0, from - start);
    const length = Math.min(end, to) - start - skip;
    if (length > 0) out.push({ length, pack: extent.pack, offset: extent.offset + skip });
    if (end >= to) break;
    start = end;
  }
  return out;
}

/**
 * The base with the changes laid over it, cut or grown to `size` bytes. Changes are in order and don't overlap.
 * A Failure `malformed` where they do, reach past `size`, or leave bytes that neither the base nor a change gives.
 */
export function overlay(base: readonly Extent[], changes: readonly PlacedExtent[], size: number): Extent[] {
  const out: Extent[] = [];
  let done = 0;
  // One pass over the base for all changes together: an aged store has hundreds of thousands of extents.
  let index = 0;
  let start = 0;
  const fromBase = (to: number): void => {
    while (done < to) {
      const extent = base[index];
      if (!extent) throw new Failure('malformed', `No extent gives the bytes from ${done} to ${to}.`);
      const end = start + extent.length;
      const until = Math.min(end, to);
      if (until > done) {
        out.push({ length: until - done, pack: extent.pack, offset: extent.offset + done - start });
        done = until;
      }
      if (end <= to) {
        start = end;
        index++;
      }
    }
  };
  for (const change of changes) {
    if (change.at < done || change.length < 1 || change.at + change.length > size) {
      throw new Failure(
        'malformed',
        `The change at byte ${change.at} overlaps another or reaches past the end.`,
      );
    }
    fromBase(change.at);
    out.push(change);
    done = change.at + change.length;
  }
  fromBase(size);
  return coalesce(out);
}
