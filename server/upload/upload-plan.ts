// What an upload asks to become, read from its tus metadata before a byte is written. Pure: refusals are Failures.

import { EMPTY_CHANGE_LIST_BYTES, MAX_CHANGE_LIST_BYTES } from '../../shared/change-list.ts';
import { Failure } from '../../shared/failure.ts';
import { MAX_PACK_STORED, PACK_FOOTER_BYTES, PACK_HEADER_BYTES } from '../../shared/pack.ts';
import { ChangeListId, PackId, StoredPath } from '../../shared/protocol.ts';
import * as z from '../../shared/schema.ts';

/** A header, an index that says "no frames", a footer. */
const SMALLEST_PACK = PACK_HEADER_BYTES + 1 + PACK_FOOTER_BYTES;

export type UploadPlan =
  | { readonly kind: 'pack'; readonly pack: string }
  /** What a commit refers to by `changeList`. */
  | { readonly kind: 'change-list'; readonly list: string }
  /** A plain file: it becomes a version of its own. `mtime` null: not stated. */
  | { readonly kind: 'file'; readonly path: string; readonly mtime: string | null };

export type UploadMetadata = Readonly<Record<string, string | null>>;

/** Where a client may add what it likes (file name, type), only these keys are looked at. */
const PackMetadata = z.object({ kind: z.literal('pack'), id: PackId });
const ListMetadata = z.object({ kind: z.literal('change-list'), id: ChangeListId });
const FileMetadata = z.object({
  kind: z.literal('file'),
  path: StoredPath,
  mtime: z.iso.datetime({ offset: true }).nullish(),
});
const Metadata = z.discriminatedUnion('kind', [PackMetadata, ListMetadata, FileMetadata]);

/**
 * The plan in `metadata` of an upload of `length` bytes. A Failure `malformed` where it is none, `too_large` where a pack
 * is larger than MAX_PACK_STORED, a change list than MAX_CHANGE_LIST_BYTES, or a file than `maxFile`.
 */
export function planUpload(
  metadata: UploadMetadata | undefined,
  length: number | undefined,
  maxFile: number,
): UploadPlan {
  const parsed = Metadata.safeParse(metadata ?? {});
  if (!parsed.success) {
    throw new Failure('malformed', 'The metadata of the upload do not say what it is to become.', {
      detail: { mistakes: parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) },
    });
  }
  if (length === undefined)
    throw new Failure('malformed', 'The length of an upload is stated at its creation.');
  const plan = parsed.data;
  if (plan.kind === 'file') {
    if (length > maxFile) throw tooLarge(length, maxFile);
    return { kind: 'file', path: plan.path, mtime: plan.mtime ?? null };
  }
  if (plan.kind === 'change-list') {
    if (length > MAX_CHANGE_LIST_BYTES) throw tooLarge(length, MAX_CHANGE_LIST_BYTES);
    if (length < EMPTY_CHANGE_LIST_BYTES)
      throw new Failure('malformed', `No change list is as short as ${length} bytes.`);
    return { kind: 'change-list', list: plan.id };
  }
  if (length > MAX_PACK_STORED) throw tooLarge(length, MAX_PACK_STORED);
  if (length < SMALLEST_PACK) throw new Failure('malformed', `No pack is as short as ${length} bytes.`);
  return { kind: 'pack', pack: plan.id };
}

function tooLarge(length: number, limit: number): Failure {
  return new Failure('too_large', `An upload of ${length} bytes is more than the ${limit} allowed.`, {
    detail: { length, limit },
  });
}
