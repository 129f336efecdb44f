// What the vault keeps of a device besides its data: enough to let it in again when the catalogue is lost.

import { Failure } from '../../shared/failure.ts';
import * as z from '../../shared/schema.ts';
import type { ReceiptSigner } from '../receipt-key.ts';

/*
 * {"format":"mailferry-device-1","statement":"<JSON in one line>","signature":"<Ed25519 over the statement, hexadecimal>"}
 *
 * The statement holds id, name, the SHA-256 of the credential, and when it was enrolled and revoked. Signed with the key of the
 * receipts, so that a file that rotted, or was put there, opens nothing.
 */
const FORMAT = 'mailferry-device-1';
/** In a signed text of its own form: no receipt can be passed off as a device. */
const PREFIX = `${FORMAT}\n`;

const DeviceStatement = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  name: z.string(),
  credential: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: z.string(),
  revokedAt: z.string().nullable(),
});
const DeviceObject = z.strictObject({
  format: z.literal(FORMAT),
  statement: z.string(),
  signature: z.string(),
});

export type DeviceStatement = z.infer<typeof DeviceStatement>;

export function encodeDevice(device: DeviceStatement, signer: ReceiptSigner): Uint8Array {
  const { id, name, credential, createdAt, revokedAt } = device;
  const statement = JSON.stringify({ id, name, credential, createdAt, revokedAt });
  return Buffer.from(
    JSON.stringify({ format: FORMAT, statement, signature: signer.signText(PREFIX + statement) }),
  );
}

/** The device in `bytes`, signed by this server and of the id `device`; a Failure `malformed` otherwise. */
export function decodeDevice(bytes: Uint8Array, device: string, signer: ReceiptSigner): DeviceStatement {
  try {
    const { statement, signature } = DeviceObject.parse(JSON.parse(Buffer.from(bytes).toString()));
    if (signer.verifies(PREFIX + statement, signature)) {
      const parsed = DeviceStatement.parse(JSON.parse(statement));
      if (parsed.id === device) return parsed;
    }
  } catch (cause) {
    throw new Failure('malformed', `What the vault keeps of device ${device} is not readable.`, { cause });
  }
  throw new Failure('malformed', `What the vault keeps of device ${device} is not signed by this server.`);
}
