// Makes a lost or damaged catalogue again from the vaults: into a new file, checked, and put in place only at the end.
import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fromHex } from '../../shared/byte-codec.ts';
import { Failure } from '../../shared/failure.ts';
import { assertFinished } from '../backup/unfinished.ts';
import type { Capabilities } from '../capabilities.ts';
import { CATALOGUE, Catalogue } from '../catalogue/catalogue.ts';
import { checkSqlite } from '../catalogue/sqlite.ts';
import { lockDirectory } from '../directory-lock.ts';
import { codeOf } from '../disk-failure.ts';
import { syncDirectory } from '../durable-file.ts';
import { anotherKey, hasSigned } from '../known-key.ts';
import { FrameScratch } from '../pack/frame-scratch.ts';
import { PackReader } from '../pack/pack-reader.ts';
import { openReceiptSigner, type ReceiptSigner } from '../receipt-key.ts';
import { decodeDevice } from '../vault/device-object.ts';
import { FileVault } from '../vault/file.ts';
import type { Vault } from '../vault/vault.ts';
import { VersionReader } from '../version/version-reader.ts';
import { replayDevice, type Trouble } from './replay.ts';

export interface RebuildOptions {
  readonly directory: string;
  /** Also where the catalogue that is there is whole. */
  readonly overwrite: boolean;
  readonly capabilities: Pick<Capabilities, 'now'>;
  /** Told after each version of each device. */
  readonly progress: (device: string, done: number, total: number) => void;
}

export interface RebuiltDevice {
  readonly device: string;
  /** null: what it was called, and its credential, are not in the vault. It has to enrol again. */
  readonly name: string | null;
  readonly versions: number;
  readonly packs: number;
  readonly lost: readonly string[];
  readonly trouble: readonly Trouble[];
}

export interface Rebuilt {
  readonly devices: readonly RebuiltDevice[];
  /** Where the catalogue that was there lies now; null: there was none. */
  readonly kept: string | null;
}

const BUILDING = 'catalogue.db.rebuilding';
const COMPANIONS = ['-wal', '-shm'];

/**
 * Rebuilds the catalogue of a data directory. Devices, versions, packs and receipts come back; enrolment tokens and uploads under way
 * do not. Failures: `state_locked` while a server runs there, `target_exists` where the catalogue is whole and `overwrite` is not
 * given, `state_unusable` without vaults or key. Whatever happens, nothing that was there is lost.
 */
export async function rebuildCatalogue(options: RebuildOptions): Promise<Rebuilt> {
  const { directory, overwrite } = options;
  assertFinished(directory);
  if (!existsSync(join(directory, 'vaults'))) {
    throw new Failure('state_unusable', `There are no vaults in ${directory}, from which to rebuild.`);
  }
  const unlock = lockDirectory(directory);
  try {
    const current = join(directory, CATALOGUE);
    const damage = existsSync(current) ? checkSqlite(current) : 'it is gone';
    if (damage === null && !overwrite) {
      throw new Failure('target_exists', `The catalogue in ${directory} is whole.`);
    }
    const signer = await openReceiptSigner(directory, () => {
      throw new Failure(
        'state_unusable',
        `receipt-key.pem is not in ${directory}: without it no receipt can be checked. Put it back first.`,
      );
    });
    const vault = new FileVault(join(directory, 'vaults'));
    // With another key nothing of the vaults would count, and an empty catalogue would take the place of the one that is there.
    if ((await hasSigned(signer, vault)) === false) throw anotherKey(directory);
    const building = join(directory, BUILDING);
    await removeSqlite(building);
    const devices = await build(options, signer);
    const wrong = checkSqlite(building);
    if (wrong !== null) throw new Failure('state_unusable', `The new catalogue is damaged: ${wrong}.`);
    await syncFile(building);
    return { devices, kept: await putInPlace(directory, options.capabilities.now()) };
  } finally {
    unlock();
  }
}

async function build(options: RebuildOptions, signer: ReceiptSigner): Promise<RebuiltDevice[]> {
  const { directory } = options;
  const catalogue = new Catalogue(directory, BUILDING);
  const vault = new FileVault(join(directory, 'vaults'));
  try {
    await catalogue.key.record(signer.publicKey);
    const packs = new PackReader(vault, new FrameScratch(join(directory, 'scratch')));
    const rebuilt: RebuiltDevice[] = [];
    for (const device of await vault.devices()) {
      const { name, trouble } = await addDevice(device, { catalogue, vault, signer });
      const rows = catalogue.forDevice(device);
      const replayed = await replayDevice({
        catalogue: rows,
        vault,
        signer,
        reader: new VersionReader(rows, packs),
        progress: (done, total) => options.progress(device, done, total),
      });
      rebuilt.push({ device, name, ...replayed, trouble: [...trouble, ...replayed.trouble] });
    }
    return rebuilt;
  } finally {
    await vault.close();
    await catalogue.close();
  }
}

/**
 * The row of a device from its vault. One whose object is missing or damaged gets a row that no credential opens, so that its versions
 * are kept.
 */
export async function addDevice(
  device: string,
  {
    catalogue,
    vault,
    signer,
  }: { readonly catalogue: Catalogue; readonly vault: Vault; readonly signer: ReceiptSigner },
): Promise<{ name: string | null; trouble: Trouble[] }> {
  const bytes = await vault.readDevice(device);
  try {
    if (!bytes) throw new Failure('malformed', `The vault does not know what device ${device} is called.`);
    const { credential, ...known } = decodeDevice(bytes, device, signer);
    await catalogue.enrolment.addKnown({ ...known, credential: fromHex(credential) });
    return { name: known.name, trouble: [] };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const nobody = { id: device, name: `(recovered ${device.slice(0, 8)})`, createdAt: '', revokedAt: null };
    // No credential has an id for its hash.
    await catalogue.enrolment.addKnown({ ...nobody, credential: Buffer.from(device, 'latin1') });
    return {
      name: null,
      trouble: [{ what: device, message: `${error.message} The machine has to enrol again.` }],
    };
  }
}

/** The old catalogue under another name, the new one under its own; durable. The old one's new path, where there was one. */
async function putInPlace(directory: string, now: number): Promise<string | null> {
  const current = join(directory, CATALOGUE);
  const stamp = new Date(now).toISOString().replace(/[:.]/g, '-');
  let aside: string | null = null;
  // Its journal goes with it: beside the new catalogue, SQLite would take it for that one's.
  for (const companion of [...COMPANIONS, '']) {
    if (!existsSync(current + companion)) continue;
    const kept = join(directory, `${CATALOGUE}.before-${stamp}${companion}`);
    await rename(current + companion, kept);
    if (companion === '') aside = kept;
  }
  await syncDirectory(directory);
  await rename(join(directory, BUILDING), current);
  await syncDirectory(directory);
  return aside;
}

async function removeSqlite(file: string): Promise<void> {
  for (const companion of ['', ...COMPANIONS]) await rm(file + companion, { force: true });
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } catch (error) {
    if (codeOf(error) !== 'EPERM') throw error;
  } finally {
    await file.close();
  }
}
