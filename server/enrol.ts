// A machine becomes a device: a token is spent, a credential is made, shown once and kept as a hash. Tokens are made here too.
import { sameBytes, toHex } from '../shared/byte-codec.ts';
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

export interface EnrolPorts {
  readonly signer: ReceiptSigner;
  readonly vault: Vault;
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
 *
 * In this order, with no lock of the catalogue held while the vault writes: what the vault keeps of the device, staged; the row, with
 * the use of the token; the staged object put in place. A crash leaves a staged object, which the next start puts in place where the
 * row was written and removes where it was not: nobody was told of the credential yet.
 */
export async function enrolDevice(
  enrolment: Enrolment,
  { now, randomBytes }: Pick<Capabilities, 'now' | 'randomBytes'>,
  { signer, vault }: EnrolPorts,
  request: { token: string; name: string; device?: string | undefined },
): Promise<EnrolResponse> {
  const credential = base64url(randomBytes(SECRET_BYTES));
  const hash = sha256(Buffer.from(credential));
  const tokenHash = sha256(Buffer.from(request.token));
  const question = { now: now(), by: request.device };
  const renewing = await enrolment.renewedBy(tokenHash, question);
  const asked = renewing ?? {
    id: toHex(randomBytes(DEVICE_ID_BYTES)),
    name: request.name,
    createdAt: new Date(question.now).toISOString(),
  };
  const staged = { ...asked, credential: hash, revokedAt: null };
  const mark = stagedMark(hash);
  await vault.stageDevice(asked.id, mark, objectOf(staged, signer));
  const { device, renewed } = await enrolment.redeem(tokenHash, staged, question).catch(async (error) => {
    // What stays of it is removed by the next start.
    await vault.dropStagedDevice(asked.id, mark).catch(() => undefined);
    throw error;
  });
  await vault.publishDevice(asked.id, mark);
  await keepAsRecorded(enrolment, { signer, vault }, device);
  return { device: device.id, credential, receiptKey: signer.publicKey, renewed };
}

/** What names a staged object: the beginning of the credential's hash, by which a start knows whether the row was written. */
export function stagedMark(credential: Uint8Array): string {
  return toHex(credential).slice(0, 16);
}

/**
 * Lets a device in no more. The vault first: a catalogue that is made again, or restored from an older copy, must not let it in
 * again. Idempotent; the first time counts.
 */
export async function revokeDevice(
  enrolment: Enrolment,
  ports: EnrolPorts,
  device: DeviceRow,
  at: string,
): Promise<DeviceRow> {
  const revoked = { ...device, revokedAt: device.revokedAt ?? at };
  await keepDevice(ports.vault, ports.signer, revoked);
  const row = await enrolment.revoke(device.id, revoked.revokedAt);
  await keepAsRecorded(enrolment, ports, revoked);
  return row;
}

/** Stores in the vault what lets a device in again after the catalogue was lost. */
export function keepDevice(vault: Vault, signer: ReceiptSigner, device: DeviceRow): Promise<void> {
  return vault.putDevice(device.id, objectOf(device, signer));
}

/** Another process may have changed the row beside this one: the vault is written until it says what the row says. */
async function keepAsRecorded(
  enrolment: Enrolment,
  { signer, vault }: EnrolPorts,
  written: DeviceRow,
): Promise<void> {
  for (let kept = written; ; ) {
    const row = await enrolment.device(kept.id);
    if (!row || (sameBytes(row.credential, kept.credential) && row.revokedAt === kept.revokedAt)) return;
    await keepDevice(vault, signer, row);
    kept = row;
  }
}

function objectOf(device: DeviceRow, signer: ReceiptSigner): Uint8Array {
  return encodeDevice({ ...device, credential: toHex(device.credential) }, signer);
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}
