// A consistent copy of a server's data directory while the server runs: the catalogue as it is at one moment, then all that it refers
// to, which never changes. The copy is a data directory that a server starts on.
import { existsSync } from 'node:fs';
import { open, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { CATALOGUE, Catalogue } from '../catalogue/catalogue.ts';
import { checkSqlite } from '../catalogue/sqlite.ts';
import { makeDataDirectory } from '../data-directory.ts';
import { lockDirectory } from '../directory-lock.ts';
import { isFull } from '../disk-failure.ts';
import { syncDirectory, writeDurably } from '../durable-file.ts';
import { anotherKey, isAnotherKey, SAMPLES } from '../known-key.ts';
import { KEY_FILE, openReceiptSigner, type ReceiptSigner, readKeyFile } from '../receipt-key.ts';
import { FileVault } from '../vault/file.ts';
import { bytesToCopy, type CopiedDevice, type CopyPorts, copyDevice } from './copy-device.ts';
import { PackCopier } from './copy-pack.ts';
import { SourceCatalogue } from './source-catalogue.ts';
import { isEarlierCopy, refuseLinks, refusePlace } from './target.ts';
import { assertFinished, markFinished, markUnfinished } from './unfinished.ts';

export interface BackUpOptions {
  /** A data directory; its server may be running. */
  readonly source: string;
  /** Made where it is missing. */
  readonly target: string;
  /** Read what an earlier backup copied, too, and copy it again where it is damaged. */
  readonly check: boolean;
  readonly progress: (phase: BackUpPhase, done: number, total: number) => void;
}

/** catalogue: pages of the database. objects: bytes. */
export type BackUpPhase = 'catalogue' | 'objects';

export interface BackedUp extends CopiedDevice {
  readonly devices: number;
  /** Bytes of the catalogue. */
  readonly catalogueBytes: number;
}

const COPYING = 'catalogue.db.copying';
/** Devices copied side by side: their syncs share the disk's. */
const SIDE_BY_SIDE = 4;
/** What stays free in the target, for what is not counted. */
const SPARE_BYTES = 16_777_216;

/**
 * Copies. On return the copy is whole and durable, but for what `failed` names. Killed at any moment it goes on when it is called
 * again; an earlier copy stays as it was until the new catalogue takes its place, last. Failures: `target_refused`, `target_full`,
 * `state_locked` while a server or another backup works in the target, `state_unusable` where catalogue or key can't be relied on.
 */
export async function backUp(options: BackUpOptions): Promise<BackedUp> {
  const { source, target } = options;
  assertFinished(source);
  await refusePlace(source, target);
  const catalogue = new SourceCatalogue(source);
  try {
    const signer = await openReceiptSigner(source, () => {
      throw new Failure('state_unusable', `${KEY_FILE} is not in ${source}: put it back first.`);
    });
    await assertKey(source, catalogue, signer);
    const isUpdate = await isEarlierCopy(target, catalogue, signer.publicKey);
    await refuseLinks(target);
    await makeDataDirectory(target);
    const unlock = lockDirectory(target);
    try {
      return await copyAll(options, { catalogue, signer, isUpdate });
    } finally {
      unlock();
    }
  } catch (error) {
    if (!isFull(error)) throw error;
    throw new Failure('target_full', `There is no more room in ${target}.`, { cause: error });
  } finally {
    catalogue.close();
  }
}

async function assertKey(source: string, catalogue: SourceCatalogue, signer: ReceiptSigner): Promise<void> {
  const vault = new FileVault(join(source, 'vaults'));
  try {
    const facts = { known: catalogue.knownKey(), receipts: catalogue.newestReceipts(SAMPLES) };
    if (await isAnotherKey(signer, facts, vault)) throw anotherKey(source);
  } finally {
    await vault.close();
  }
}

interface Sources {
  readonly catalogue: SourceCatalogue;
  readonly signer: ReceiptSigner;
  readonly isUpdate: boolean;
}

async function copyAll(options: BackUpOptions, { catalogue, signer, isUpdate }: Sources): Promise<BackedUp> {
  const { source, target, progress, check } = options;
  const copying = join(target, COPYING);
  await assertRoom(target, await catalogue.bytes());
  if (!isUpdate) await markUnfinished(target, signer.publicKey);
  await catalogue.copyTo(copying, (done, total) => progress('catalogue', done, total));
  const sourceVault = new FileVault(join(source, 'vaults'));
  const targetVault = new FileVault(join(target, 'vaults'));
  const copied = new Catalogue(target, COPYING);
  let devices: CopiedDevice[];
  try {
    await copied.key.record(signer.publicKey);
    await copied.dropUnfinishedUploads();
    await writeDurably(target, KEY_FILE, Buffer.from(await readKeyFile(source)));
    await targetVault.freeBytes();
    let done = 0;
    let total = 0;
    const ports: CopyPorts = {
      source: { root: join(source, 'vaults'), vault: sourceVault, catalogue },
      target: { root: join(target, 'vaults'), vault: targetVault },
      signer,
      copier: new PackCopier(),
      check,
      told: (bytes) => {
        done += bytes;
        progress('objects', Math.min(done, total), total);
      },
    };
    await ports.copier.tryClone(join(source, KEY_FILE), join(target, 'vaults', '.clone'));
    const ids = await copied.enrolment.deviceIds();
    for (const id of ids) total += await bytesToCopy(copied.forDevice(id), ports);
    if (!ports.copier.clones) await assertRoom(target, total);
    progress('objects', 0, total);
    devices = await sideBySide(ids, (id) => copyDevice(copied.forDevice(id), ports));
    progress('objects', total, total);
  } catch (error) {
    await copied.close();
    // Nothing of use: the next run takes the catalogue of its own moment.
    await rm(copying, { force: true });
    throw error;
  } finally {
    await sourceVault.close();
    await targetVault.close();
  }
  await copied.close();
  await putInPlace(target);
  return { ...together(devices), catalogueBytes: (await stat(join(target, CATALOGUE))).size };
}

/** Replaces the catalogue of the copy, atomically; with it the copy is finished. */
async function putInPlace(target: string): Promise<void> {
  const [copying, current] = [join(target, COPYING), join(target, CATALOGUE)];
  const file = await open(copying, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  // Its journal into the old one: beside the new one, SQLite would take it for that one's.
  if (existsSync(current)) checkSqlite(current);
  for (const companion of ['-wal', '-shm']) await rm(current + companion, { force: true });
  await rename(copying, current);
  await syncDirectory(target);
  await markFinished(target);
}

async function assertRoom(target: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(target);
  const free = bavail * bsize;
  if (free >= bytes + SPARE_BYTES) return;
  throw new Failure(
    'target_full',
    `The copy needs ${megabytes(bytes + SPARE_BYTES)} and ${target} has ${megabytes(free)}.`,
    { detail: { needed: bytes + SPARE_BYTES, free } },
  );
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6).toLocaleString('en')} MB`;
}

async function sideBySide<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (next < items.length && !failed) {
      try {
        results.push(await work(items[next++]!));
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: SIDE_BY_SIDE }, worker));
  for (const ended of workers) if (ended.status === 'rejected') throw ended.reason;
  return results;
}

function together(devices: readonly CopiedDevice[]): Omit<BackedUp, 'catalogueBytes'> {
  const sum = (of: (device: CopiedDevice) => number): number =>
    devices.reduce((total, device) => total + of(device), 0);
  return {
    devices: devices.length,
    versions: sum(({ versions }) => versions),
    packs: sum(({ packs }) => packs),
    bytes: sum(({ bytes }) => bytes),
    copied: sum(({ copied }) => copied),
    copiedBytes: sum(({ copiedBytes }) => copiedBytes),
    skipped: sum(({ skipped }) => skipped),
    lost: devices.flatMap(({ lost }) => lost),
    failed: devices.flatMap(({ failed }) => failed),
  };
}
