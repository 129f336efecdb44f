// Staging: sealed packs on this disk until the receipt of their backup, in a folder per backup; and fingerprints by version.
import { lstat, readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { makeDirectory, removeDurably, syncDirectory } from '../durable-file.ts';
import { patientlyOrLeft } from '../patiently.ts';
import type { StatePaths } from './state-directory.ts';

/** Bytes that staging may take unless told otherwise. */
export const DEFAULT_QUOTA = 4 * 1_073_741_824;
/** Bytes of the disk that staging never takes: the machine has to live. */
const RESERVE = 268_435_456;

/** The file of a pack, by its number. */
const PACK_NAME = /^(\d+)\.pack$/;

/** The ending of a fingerprint that is being fetched. */
const PARTIAL = '.fetched';
/** Such a file is kept for so long after its last byte, in milliseconds, whatever is backed up meanwhile. */
const PARTIAL_LIFE_MS = 14 * 86_400_000;

async function assertOurs(folder: string): Promise<void> {
  const there = await lstat(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (there === null) return;
  const us = process.geteuid?.();
  const isOthers = us !== undefined && there.uid !== us;
  if (there.isDirectory() && !isOthers) return;
  const what = there.isSymbolicLink() ? 'leads elsewhere' : isOthers ? 'is of another user' : 'is no folder';
  throw new Failure(
    'state_unusable',
    `${folder} ${what}, so that nothing is put or removed there; remove it.`,
  );
}

export class Staging {
  readonly #paths: StatePaths;

  constructor(paths: StatePaths) {
    this.#paths = paths;
  }

  /** Failure `state_unusable` where somebody else put a link or a folder of theirs in our place: what is swept there would be theirs. */
  async prepare(): Promise<void> {
    for (const folder of [this.#paths.staging, this.#paths.fingerprints, this.#paths.exports])
      await assertOurs(folder);
    await makeDirectory(this.#paths.staging);
    await makeDirectory(this.#paths.fingerprints);
  }

  packPath(backup: string, number: number): string {
    return join(this.#paths.staging, backup, `${String(number).padStart(6, '0')}.pack`);
  }

  /** The change list of a backup, where it is too long to go inside the commit. */
  listPath(backup: string): string {
    return join(this.#paths.staging, backup, 'changes.list');
  }

  /** A fingerprint that is being fetched: only a fetch of the same version goes on with it. */
  partialFingerprintPath(version: string): string {
    return join(this.#paths.fingerprints, `${version}${PARTIAL}`);
  }

  fingerprintPath(version: string): string {
    return join(this.#paths.fingerprints, `${version}.fingerprint`);
  }

  async begin(backup: string): Promise<void> {
    await makeDirectory(join(this.#paths.staging, backup));
  }

  /** Frees what a backup took. Packs go side by side: a gigabyte of them one after another takes 0.15 s of everybody's waiting. */
  async release(backup: string): Promise<void> {
    const folder = join(this.#paths.staging, backup);
    const packs = (await readdir(folder).catch(() => [])).filter((name) => PACK_NAME.test(name));
    await Promise.all(packs.map((name) => patientlyOrLeft(() => rm(join(folder, name), { force: true }))));
    // What is left fails here, where it is told.
    await removeDurably(folder);
  }

  /** Makes the names of new fingerprints durable; what is in them is the writer's to sync. */
  async syncFingerprints(): Promise<void> {
    await syncDirectory(this.#paths.fingerprints);
  }

  async dropFingerprint(version: string): Promise<void> {
    await patientlyOrLeft(() => rm(this.fingerprintPath(version), { force: true }));
  }

  /** Bytes on this disk that more packs may take, beside `taken` bytes of staging. */
  async room(quota: number, taken: number): Promise<number> {
    const { bavail, bsize } = await statfs(this.#paths.staging);
    return Math.min(quota - taken, bavail * bsize - RESERVE);
  }

  /**
   * Removes what no backup and no source owns: left behind by a process that died between two steps. What can't be removed now, since
   * another program holds it, ends no run and is swept at the next start.
   */
  async sweep(backups: ReadonlySet<string>, versions: ReadonlySet<string>, now: number): Promise<void> {
    for (const name of await readdir(this.#paths.staging)) {
      if (!backups.has(name)) await removeDurably(join(this.#paths.staging, name)).catch(() => {});
    }
    for (const name of await readdir(this.#paths.fingerprints)) {
      if (versions.has(name.replace(/\.fingerprint$/, ''))) continue;
      const path = join(this.#paths.fingerprints, name);
      if (name.endsWith(PARTIAL) && now - (await stat(path)).mtimeMs < PARTIAL_LIFE_MS) continue;
      await patientlyOrLeft(() => rm(path, { force: true }));
    }
  }

  /** Removes pack files of a backup that were sealed but did not reach the queue. */
  async sweepPacks(backup: string, known: ReadonlySet<number>): Promise<void> {
    const folder = join(this.#paths.staging, backup);
    for (const name of await readdir(folder).catch(() => [])) {
      const number = Number(PACK_NAME.exec(name)?.[1] ?? Number.NaN);
      if (!known.has(number)) await patientlyOrLeft(() => rm(join(folder, name), { force: true }));
    }
  }

  /** Bytes of everything in staging, as the disk has it. */
  async bytes(): Promise<number> {
    let total = 0;
    for (const entry of await readdir(this.#paths.staging, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) total += (await stat(join(entry.parentPath, entry.name))).size;
    }
    return total;
  }
}

/**
 * Frees what a backup took in staging, and removes a fingerprint that nothing needs any more; to be called when the rows say so. What
 * can't be removed now fails nobody: it is swept at the next start.
 */
export async function tidyUp(
  staging: Pick<Staging, 'release' | 'dropFingerprint'>,
  backup: string,
  fingerprint: string | null,
): Promise<void> {
  await staging.release(backup).catch(() => {});
  if (fingerprint !== null) await staging.dropFingerprint(fingerprint).catch(() => {});
}
