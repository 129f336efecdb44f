// The version object: what the vault keeps of each version beside the packs, so that the catalogue can be made again.

import { Failure } from '../../shared/failure.ts';
import { CommittedVersion, PackId, VersionId } from '../../shared/protocol.ts';
import { type Receipt, type ReceiptStatement, readReceipt } from '../../shared/receipt.ts';
import * as z from '../../shared/schema.ts';
import type { ReceiptSigner } from '../receipt-key.ts';

/*
 * {"format":"mailferry-version-1","id","commit":{...},"changes"|"rawPack"|"map","receipt":{"statement","signature"}}
 *
 * `commit` is the commit as it came but for its change list, which is `changes`; a plain file has `rawPack` instead, and is all of
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

/** What of a version leads to its bytes. */
export type VersionSource =
  | { readonly changes: string }
  | { readonly rawPack: string }
  | { readonly map: WholeMap };

export interface VersionObject {
  readonly id: string;
  readonly commit: CommittedVersion;
  readonly source: VersionSource;
  readonly receipt: Receipt;
}

export function encodeVersion({ id, commit, source, receipt }: VersionObject): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, id, commit, ...source, receipt }));
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

function sourceOf({ changes, rawPack, map }: z.infer<typeof VersionObjectBody>): VersionSource | undefined {
  if (changes !== undefined) return { changes };
  if (rawPack !== undefined) return { rawPack };
  return map && { map };
}
