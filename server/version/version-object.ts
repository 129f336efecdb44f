// The version object: what the vault keeps of each version beside the packs, so that the catalogue can be made again.

import { toHex } from '../../shared/byte-codec.ts';
import { Failure } from '../../shared/failure.ts';
import { ChangeListId, CommittedVersion, PackId, VersionId } from '../../shared/protocol.ts';
import { type Receipt, type ReceiptStatement, readReceipt } from '../../shared/receipt.ts';
import * as z from '../../shared/schema.ts';
import type { ReceiptSigner } from '../receipt-key.ts';
import { sha256 } from '../sha256.ts';

/*
 * {"format":"mailferry-version-1","id","commit":{...},"changes"|"rawPack"|"map","changeList"?,"receipt":{"statement","signature"}}
 *
 * `commit` is the commit as it came but for its change list, which is `changes`; where the list came as an upload and the commit named
 * it, `changeList` is the name, which is the SHA-256 of the list. A plain file has `rawPack` instead, and is all of
 * that pack. An object that was lost and made again from the catalogue has `map`: {"changes","plain","bodyHash"}, a change list that
 * gives every byte, laid over nothing whatever the commit's base was; those of its packs that are plain files; and the SHA-256 of
 * the commit as it came, which can't be computed from it. The signed receipt names device, sequence, size, hash and root, so an
 * object is checked by its receipt.
 */
const FORMAT = 'mailferry-version-1';

const VersionObjectBody = z.strictObject({
  format: z.literal(FORMAT),
  id: VersionId,
  commit: CommittedVersion,
  changes: z.string().optional(),
  changeList: ChangeListId.optional(),
  rawPack: PackId.optional(),
  map: z
    .strictObject({
      changes: z.string(),
      plain: z.array(PackId),
      bodyHash: z.string().regex(/^[0-9a-f]{64}$/),
    })
    .optional(),
  receipt: z.strictObject({ statement: z.string(), signature: z.string() }),
});

/** Where every byte of a version lies, whatever it was based on. */
export interface WholeMap {
  /** change-list.ts in base64. */
  readonly changes: string;
  /** Those of its packs that are plain files. */
  readonly plain: readonly string[];
  /** SHA-256 of the commit as it came, hexadecimal. */
  readonly bodyHash: string;
}

/** A change list as it came with a commit. */
export interface ListedChanges {
  /** change-list.ts in base64. */
  readonly changes: string;
  /** Its SHA-256, where the commit named it and it came as an upload; absent: it came inside the commit. */
  readonly changeList?: string | undefined;
}

/** What of a version leads to its bytes. */
export type VersionSource = ListedChanges | { readonly rawPack: string } | { readonly map: WholeMap };

export interface VersionObject {
  readonly id: string;
  readonly commit: CommittedVersion;
  readonly source: VersionSource;
  readonly receipt: Receipt;
}

export function encodeVersion({ id, commit, source, receipt }: VersionObject): Uint8Array {
  if (!('changes' in source))
    return Buffer.from(JSON.stringify({ format: FORMAT, id, commit, ...source, receipt }));
  // The list is put in between, of which a large one would lie in memory twice more otherwise; base64 is the same as JSON.
  const { changes, changeList } = source;
  const head = Buffer.from(`${JSON.stringify({ format: FORMAT, id, commit }).slice(0, -1)},"changes":"`);
  const tail = Buffer.from(`",${JSON.stringify({ changeList, receipt }).slice(1)}`);
  const bytes = Buffer.allocUnsafeSlow(head.length + changes.length + tail.length);
  head.copy(bytes);
  bytes.write(changes, head.length, 'latin1');
  tail.copy(bytes, head.length + changes.length);
  return bytes;
}

/**
 * The version in `bytes` and its receipt's statement. A Failure `malformed` where it is none, or its receipt is not of this server,
 * of this device, of this sequence, or of what the object says.
 */
export function decodeVersion(
  bytes: Uint8Array,
  place: { readonly device: string; readonly sequence: number; readonly id: string },
  signer: ReceiptSigner,
): { version: VersionObject; statement: ReceiptStatement } {
  const named = `version ${place.id} of device ${place.device}`;
  try {
    const parsed = VersionObjectBody.parse(JSON.parse(Buffer.from(bytes).toString()));
    const { id, commit, receipt } = parsed;
    const source = sourceOf(parsed);
    const statement = readReceipt(receipt, signer.verifies);
    const isOfReceipt =
      id === place.id &&
      statement.version === id &&
      statement.device === place.device &&
      statement.sequence === place.sequence &&
      statement.path === commit.path &&
      statement.size === commit.size &&
      statement.root === commit.root &&
      statement.complete === commit.complete &&
      statement.sha256 === (commit.sha256 ?? '');
    if (isOfReceipt && source) return { version: { id, commit, source, receipt }, statement };
  } catch (cause) {
    throw new Failure('malformed', `The object of ${named} is damaged.`, { cause });
  }
  throw new Failure('malformed', `The object of ${named} is not what its receipt says.`);
}

function sourceOf(body: z.infer<typeof VersionObjectBody>): VersionSource | undefined {
  const { changes, changeList, rawPack, map } = body;
  if (changes !== undefined && changeList !== undefined)
    return toHex(sha256(Buffer.from(changes, 'base64'))) === changeList ? { changes, changeList } : undefined;
  if (changes !== undefined) return { changes };
  if (rawPack !== undefined) return { rawPack };
  return map && { map };
}
