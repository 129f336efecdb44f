// A machine becomes a device: a token is spent, a credential is made, shown once and kept as a hash. Tokens are made here too.
import { toHex } from '../shared/byte-codec.ts';
import type { EnrolResponse } from '../shared/protocol.ts';
import type { Capabilities } from './capabilities.ts';
import type { DeviceRow, Enrolment } from './catalogue/enrolment.ts';
import { encodeDevice } from './device-object.ts';
import type { ReceiptSigner } from './receipt-key.ts';
import { sha256 } from './sha256.ts';
import type { Vault } from './vault.ts';

const SECRET_BYTES = 32;
const DEVICE_ID_BYTES = 16;

/** Makes a token good for `uses` devices during `lifeMs`. It is returned, and stored as a hash only. */
export async function createToken(
  enrolment: Enrolment,
  { now, randomBytes }: Pick<Capabilities, 'now' | 'randomBytes'>,
  uses: number,
  lifeMs: number,
): Promise<string> {
  const token = base64url(randomBytes(SECRET_BYTES));
  await enrolment.addToken(sha256(Buffer.from(token)), uses, now() + lifeMs);
  return token;
}

/** Spends one use of `token` on a new device called `name`. A Failure `token_refused` where it has none left. */
export async function enrolDevice(
  enrolment: Enrolment,
  { now, randomBytes }: Pick<Capabilities, 'now' | 'randomBytes'>,
  { signer, vault }: { readonly signer: ReceiptSigner; readonly vault: Vault },
  request: { token: string; name: string },
): Promise<EnrolResponse> {
  const id = toHex(randomBytes(DEVICE_ID_BYTES));
  const credential = base64url(randomBytes(SECRET_BYTES));
  const at = now();
  const device = {
    id,
    name: request.name,
    credential: sha256(Buffer.from(credential)),
    createdAt: new Date(at).toISOString(),
  };
  await enrolment.redeem(sha256(Buffer.from(request.token)), device, at, () =>
    keepDevice(vault, signer, { ...device, revokedAt: null }),
  );
  return { device: id, credential, receiptKey: signer.publicKey };
}

/** Stores in the vault what lets a device in again after the catalogue was lost. */
export function keepDevice(vault: Vault, signer: ReceiptSigner, device: DeviceRow): Promise<void> {
  return vault.putDevice(
    device.id,
    encodeDevice({ ...device, credential: toHex(device.credential) }, signer),
  );
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}
