// At start: what the vault knows and the catalogue does not is brought in. So a catalogue restored from an older copy heals by itself.
import type { Logger } from 'pino';
import { toHex } from '../../shared/byte-codec.ts';
import { Failure } from '../../shared/failure.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { DeviceRow } from '../catalogue/enrolment.ts';
import { keepDevice, stagedMark } from '../enrol.ts';
import type { FrameScratch } from '../pack/frame-scratch.ts';
import { PackReader } from '../pack/pack-reader.ts';
import type { ReceiptSigner } from '../receipt-key.ts';
import { type DeviceStatement, decodeDevice } from '../vault/device-object.ts';
import type { Vault } from '../vault/vault.ts';
import { VersionReader } from '../version/version-reader.ts';
import { recountWhereDue } from './damage.ts';
import { addDevice } from './rebuild.ts';
import { replayDevice } from './replay.ts';

export interface CatchUpPorts {
  readonly catalogue: Catalogue;
  readonly vault: Vault;
  readonly scratch: FrameScratch;
  readonly signer: ReceiptSigner;
  readonly log: Logger;
}

/**
 * Makes catalogue and vault agree about devices, and brings in versions whose receipts follow the newest one of the catalogue: a
 * commit that a crash cut just before its rows, or all since the copy that a catalogue was restored from. Called before requests
 * are taken. What can't be brought in is logged.
 */
export async function catchUp({ catalogue, vault, scratch, signer, log }: CatchUpPorts): Promise<void> {
  const rows = new Map((await catalogue.enrolment.devices()).map((row) => [row.id, row]));
  await settleStaged(rows, vault);
  for (const [id, row] of rows) {
    const kept = await keptDevice(id, vault, signer);
    // A revocation is only undone by a new credential: where the vault knows the same one, unrevoked, it is the vault that is older.
    if (kept?.credential === toHex(row.credential) && kept.revokedAt === null && row.revokedAt !== null) {
      await keepDevice(vault, signer, row);
      continue;
    }
    const isOlder = kept && (kept.credential !== toHex(row.credential) || kept.revokedAt !== row.revokedAt);
    if (isOlder) {
      const credential = Buffer.from(kept.credential, 'hex');
      await catalogue.enrolment.takeOver(id, { credential, revokedAt: kept.revokedAt });
    }
    // Not of one that a rebuild recovered: its credential is nobody's.
    if (!kept && row.createdAt !== '') await keepDevice(vault, signer, row);
  }
  const packs = new PackReader(vault, scratch);
  for (const device of await vault.devices()) {
    if (!rows.has(device)) {
      const { name } = await addDevice(device, { catalogue, vault, signer });
      log.warn({ device, name }, 'a device that the catalogue did not know was found in the vaults');
    }
    const its = catalogue.forDevice(device);
    const reader = new VersionReader(its, packs);
    await recountWhereDue(its);
    const { versions, trouble } = await replayDevice({
      catalogue: its,
      vault,
      signer,
      reader,
      progress: () => undefined,
    });
    if (versions > 0)
      log.warn({ device, versions }, 'versions that the catalogue did not know were brought in');
    for (const { what, message } of trouble) log.error({ device, what }, message);
  }
}

/** Ends enrolments that a crash cut: where the row was written, what the vault keeps follows; where not, nobody has the credential. */
async function settleStaged(rows: ReadonlyMap<string, DeviceRow>, vault: Vault): Promise<void> {
  for (const { device, mark } of await vault.stagedDevices()) {
    const row = rows.get(device);
    if (row && stagedMark(row.credential) === mark) await vault.publishDevice(device, mark);
    else await vault.dropStagedDevice(device, mark);
  }
}

async function keptDevice(
  id: string,
  vault: Vault,
  signer: ReceiptSigner,
): Promise<DeviceStatement | undefined> {
  const bytes = await vault.readDevice(id);
  if (!bytes) return undefined;
  try {
    return decodeDevice(bytes, id, signer);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return undefined;
  }
}
