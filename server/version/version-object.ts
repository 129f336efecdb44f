// The version object: what the vault keeps of each version beside the packs, so that the catalogue can be made again.

import { Failure } from '../../shared/failure.ts';
import { CommitRequest, PackId, VersionId } from '../../shared/protocol.ts';
import { type Receipt, type ReceiptStatement, readReceipt } from '../../shared/receipt.ts';
import * as z from '../../shared/schema.ts';
import type { ReceiptSigner } from '../receipt-key.ts';

/*
 * {"format":"mailferry-version-1","id","commit":{...},"changes"|"rawPack","receipt":{"statement","signature"}}
 *
 * `commit` is the commit as it came but for its change list, which is `changes`; a plain file has `rawPack` instead, and is all of
 * that pack. The signed receipt names device, sequence, size, hash and root, so an object is checked by its receipt.
 */
const FORMAT = 'mailferry-version-1';

const Commit = CommitRequest.omit({ changes: true });
const VersionObjectBody = z.strictObject({
  format: z.literal(FORMAT),
  id: VersionId,
  commit: Commit,
  changes: z.string().optional(),
  rawPack: PackId.optional(),
  receipt: z.strictObject({ statement: z.string(), signature: z.string() }),
});

/** What of a version leads to its bytes. */
export type VersionSource = { readonly changes: string } | { readonly rawPack: string };

export interface VersionObject {
  readonly id: string;
  readonly commit: Omit<CommitRequest, 'changes'>;
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
    const { id, commit, changes, rawPack, receipt } = parsed;
    const source = changes !== undefined ? { changes } : rawPack !== undefined ? { rawPack } : undefined;
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
