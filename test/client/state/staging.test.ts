// Staging: what somebody owns stays, what nobody owns goes, and the machine keeps room to live.
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Staging } from '../../../client/state/staging.ts';
import { type StatePaths, statePaths } from '../../../client/state/state-directory.ts';
import { tempDir } from '../../support/temp-dir.ts';

async function prepared(): Promise<{ staging: Staging; paths: StatePaths }> {
  const paths = statePaths(join(tempDir(), 'state'));
  const staging = new Staging(paths);
  await staging.prepare();
  return { staging, paths };
}

function touch(path: string, bytes = 1): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, Buffer.alloc(bytes));
}

/** Every file below `root`, relative, in order. */
const files = (root: string) =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();

describe('paths', () => {
  test('packs in the order of their numbers, by backup; fingerprints by version', async () => {
    const { staging, paths } = await prepared();
    expect(staging.packPath('b', 7)).toBe(join(paths.staging, 'b', '000007.pack'));
    expect(staging.packPath('b', 1_234_567)).toBe(join(paths.staging, 'b', '1234567.pack'));
    expect(staging.fingerprintPath('v')).toBe(join(paths.fingerprints, 'v.fingerprint'));
  });

  test('folders are the owner’s, and may be prepared twice', async () => {
    const { staging, paths } = await prepared();
    await staging.prepare();
    await staging.begin('b');
    await staging.begin('b');
    for (const path of [paths.staging, paths.fingerprints, join(paths.staging, 'b')])
      expect(statSync(path).mode & 0o777).toBe(0o700);
  });
});

describe('freeing', () => {
  test('a backup and a fingerprint, and neither when it is not there', async () => {
    const { staging, paths } = await prepared();
    touch(staging.packPath('a', 0));
    touch(staging.packPath('b', 0));
    touch(staging.fingerprintPath('a'));
    touch(staging.fingerprintPath('b'));
    for (let twice = 0; twice < 2; twice++) {
      await staging.release('a');
      await staging.dropFingerprint('a');
    }
    expect(files(paths.root)).toEqual(['fingerprints/b.fingerprint', 'staging/b/000000.pack']);
  });
});

describe('the sweep', () => {
  test('takes what no backup and no source owns, and nothing else', async () => {
    const { staging, paths } = await prepared();
    touch(staging.packPath('kept', 0));
    touch(staging.packPath('kept', 1));
    touch(staging.packPath('orphan', 0));
    touch(`${staging.packPath('orphan', 1)}.new`);
    touch(join(paths.staging, 'a file'));
    touch(staging.fingerprintPath('kept'));
    touch(staging.fingerprintPath('orphan'));
    touch(join(paths.fingerprints, 'kept'));
    touch(paths.db);
    touch(paths.identity);
    await staging.sweep(new Set(['kept']), new Set(['kept']), Date.now());
    expect(files(paths.root)).toEqual([
      'device.db',
      'fingerprints/kept',
      'fingerprints/kept.fingerprint',
      'identity.json',
      'staging/kept/000000.pack',
      'staging/kept/000001.pack',
    ]);
    await staging.sweep(new Set(), new Set(), Date.now());
    expect(readdirSync(paths.staging)).toEqual([]);
    expect(readdirSync(paths.fingerprints)).toEqual([]);
  });

  test('of one backup takes packs that did not reach the queue, by their numbers', async () => {
    const { staging, paths } = await prepared();
    for (const number of [0, 1, 10, 1_234_567]) touch(staging.packPath('a', number));
    touch(`${staging.packPath('a', 2)}.new`);
    touch(`${staging.packPath('a', 0)}.new`);
    touch(staging.packPath('b', 5));
    await staging.sweepPacks('a', new Set([0, 10, 1_234_567]));
    expect(files(paths.staging)).toEqual([
      'a/000000.pack',
      'a/000010.pack',
      'a/1234567.pack',
      'b/000005.pack',
    ]);
    await staging.sweepPacks('never', new Set());
  });
});

describe('room', () => {
  test('is what the quota leaves, and never what the machine needs', async () => {
    const { staging, paths } = await prepared();
    expect(await staging.room(1_000, 400)).toBe(600);
    expect(await staging.room(1_000, 1_400)).toBe(-400);
    const { bavail, bsize } = await statfs(paths.staging);
    const room = await staging.room(Number.MAX_SAFE_INTEGER, 0);
    expect(Math.abs(room - (bavail * bsize - 268_435_456))).toBeLessThan(67_108_864);
  });

  test('bytes are counted as the disk has them', async () => {
    const { staging } = await prepared();
    expect(await staging.bytes()).toBe(0);
    touch(staging.packPath('a', 0), 1_000);
    touch(staging.packPath('b', 0), 234);
    touch(staging.fingerprintPath('a'), 5_000);
    expect(await staging.bytes()).toBe(1_234);
  });
});
