// A machine becomes a device: a token is spent, a credential is made, shown once and kept as a hash. Tokens are made here too.
import { toHex } from '../shared/byte-codec.ts';
import type { EnrolResponse } from '../shared/protocol.ts';
import type { Capabilities } from './capabilities.ts';
import type { DeviceRow, Enrolment } from './catalogue/enrolment.ts';
import type { ReceiptSigner } from './receipt-key.ts';
import { sha256 } from './sha256.ts';
import { encodeDevice } from './vault/device-object.ts';
import type { Vault } from './vault/vault.ts';

const SECRET_BYTES = 32;
const DEVICE_ID_BYTES = 16;

/** What a token is good for: so many devices, or a new credential of the one that is named; for so long. */
export interface TokenUse {
  readonly uses: number;
  readonly lifeMs: number;
  readonly device?: string;
}

/** Makes a token. It is returned, and stored as a hash only. */
export async function createToken(
  enrolment: Enrolment,
  { now, randomBytes }: Pick<Capabilities, 'now' | 'randomBytes'>,
  { uses, lifeMs, device }: TokenUse,
): Promise<string> {
  const token = base64url(randomBytes(SECRET_BYTES));
  await enrolment.addToken(sha256(Buffer.from(token)), uses, now() + lifeMs, device);
  return token;
}

/**
 * Spends one use of `token`: on a new device called `name`, or, where the token is bound to one, on a new credential of that device,
 * whose credential until now opens nothing any more. A Failure `token_refused` where it has no use left, or where `device`
 * asks with a token that is not bound to it.
 */
export async function enrolDevice(
  enrolment: Enrolment,
  { now, randomBytes }: Pick<Capabilities, 'now' | 'randomBytes'>,
  { signer, vault }: { readonly signer: ReceiptSigner; readonly vault: Vault },
  request: { token: string; name: string; device?: string | undefined },
): Promise<EnrolResponse> {
  const id = toHex(randomBytes(DEVICE_ID_BYTES));
  const credential = base64url(randomBytes(SECRET_BYTES));
  const at = now();
  const asked = {
    id,
    name: request.name,
    credential: sha256(Buffer.from(credential)),
    createdAt: new Date(at).toISOString(),
  };
  const { device, renewed } = await enrolment.redeem(sha256(Buffer.from(request.token)), asked, {
    now: at,
    by: request.device,
    keep: (row) => keepDevice(vault, signer, row),
  });
  return { device: device.id, credential, receiptKey: signer.publicKey, renewed };
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
