// The receipt: the server's durable, signed statement that a version is complete and restorable, chained per device.

import { Failure } from './failure.ts';
import * as z from './schema.ts';

/*
 * A receipt is two texts: `statement`, a JSON object in one line with its keys in the order below, and `signature`, the
 * Ed25519 signature of the statement's UTF-8 bytes in lower-case hexadecimal. What is signed is the text itself,
 * so nothing has to be written the same way twice to be checked.
 *
 * Chain: `sequence` counts a device's receipts from 1 and `previous` is the SHA-256 of the one before (its statement, a
 * line feed, its signature; 64 zeros for the first). A server, or a device, restored from an old copy is thereby seen.
 */
export interface ReceiptStatement {
  readonly format: 'mailferry-receipt-1';
  readonly device: string;
  readonly sequence: number;
  /** Version id: a UUID made by the device. */
  readonly version: string;
  /** False for a checkpoint: a part of a source, kept so that the next backup goes on from it; not restorable itself. */
  readonly complete: boolean;
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the whole, as the device stated it; lower-case hexadecimal. */
  readonly sha256: string;
  /** Merkle root over the coarse blocks, as the server found it. */
  readonly root: string;
  /** When the version became durable, by the server's clock: ISO 8601. */
  readonly committedAt: string;
  readonly previous: string;
}

const Statement = z.strictObject({
  format: z.literal('mailferry-receipt-1'),
  device: z.string(),
  sequence: z.int().min(1),
  version: z.string(),
  complete: z.boolean(),
  path: z.string(),
  size: z.int().min(0),
  sha256: z.string(),
  root: z.string(),
  committedAt: z.string(),
  previous: z.string(),
}) satisfies z.ZodType<ReceiptStatement>;

export interface Receipt {
  readonly statement: string;
  readonly signature: string;
}

/** What `previous` says in a device's first receipt. */
export const CHAIN_START = '0'.repeat(64);

/** The one text a statement is written as. */
export function statementText(statement: ReceiptStatement): string {
  const { format, device, sequence, version, complete, path, size, sha256, root, committedAt, previous } =
    statement;
  return JSON.stringify({
    format,
    device,
    sequence,
    version,
    complete,
    path,
    size,
    sha256,
    root,
    committedAt,
    previous,
  });
}

/** The text whose SHA-256 the next receipt of the device carries as `previous`. */
export function chainText(receipt: Receipt): string {
  return `${receipt.statement}\n${receipt.signature}`;
}

/**
 * The statement of a receipt whose signature `verify` accepts; a Failure `receipt_invalid` otherwise.
 * `verify` gets the statement and the 128 hexadecimal digits of the signature.
 */
export function readReceipt(
  receipt: Receipt,
  verify: (statement: string, signature: string) => boolean,
): ReceiptStatement {
  const wellFormed = /^[0-9a-f]{128}$/.test(receipt.signature);
  if (!wellFormed || !verify(receipt.statement, receipt.signature)) {
    throw new Failure(
      'receipt_invalid',
      'The signature of a receipt is not that of the server this device knows.',
    );
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(receipt.statement);
  } catch (cause) {
    throw new Failure('receipt_invalid', 'A receipt is signed but not readable.', { cause });
  }
  const statement = Statement.safeParse(parsed);
  if (!statement.success || statementText(statement.data) !== receipt.statement) {
    throw new Failure('receipt_invalid', 'A receipt has a format that this device does not know.');
  }
  return statement.data;
}

/** What a server says of a version, with the receipt that has to say the same. */
export interface ReceiptedVersion {
  readonly id: string;
  readonly sequence: number;
  readonly path: string;
  readonly size: number;
  readonly sha256: string | null;
  readonly root: string;
  readonly complete: boolean;
  readonly receivedAt: string;
  readonly receipt: Receipt;
}

/**
 * The statement of the receipt of `version`, where `verify` accepts its signature and it says of `device` and of this version what the
 * server says. A Failure `receipt_invalid` otherwise: nothing that an answer says counts before this was called.
 */
export function receiptOf(
  version: ReceiptedVersion,
  device: string,
  verify: (statement: string, signature: string) => boolean,
): ReceiptStatement {
  const statement = readReceipt(version.receipt, verify);
  const isOfVersion =
    statement.device === device &&
    statement.version === version.id &&
    statement.sequence === version.sequence &&
    statement.path === version.path &&
    statement.size === version.size &&
    statement.sha256 === (version.sha256 ?? '') &&
    statement.root === version.root &&
    statement.complete === version.complete &&
    statement.committedAt === version.receivedAt;
  if (!isOfVersion)
    throw new Failure('receipt_invalid', `The server's receipt for ${version.id} is of something else.`);
  return statement;
}
