// Fingerprints on disk: what is appended is read back, in order, however appending, syncing and ending fall together.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  BATCH,
  FingerprintReader,
  FingerprintWriter,
  recordsOfHashes,
} from '../../../client/fingerprint/fingerprint-file.ts';
import { isComplete, RECORD_BYTES, recordAt } from '../../../shared/fingerprint.ts';
import { sha256Hex } from '../../shared/sha256.ts';
import { openFilesBelow } from '../../support/client/open-files.ts';
import { randomBytes, seededRandom } from '../../support/random.ts';
import { tempDir } from '../../support/temp-dir.ts';

const records = (count: number) => randomBytes(seededRandom(count), count * RECORD_BYTES);

/** Writes a fingerprint, and tells its digest. */
async function written(path: string, bytes: Buffer): Promise<string> {
  const writer = await FingerprintWriter.create(path);
  const piece = BATCH * RECORD_BYTES;
  for (let at = 0; at < bytes.length; at += piece) await writer.append(bytes.subarray(at, at + piece));
  return writer.finish();
}

async function reader(path: string): Promise<FingerprintReader> {
  const open = await FingerprintReader.open(path);
  onTestFinished(() => open.close());
  return open;
}

describe('written and read', () => {
  test.each([0, 1, BATCH - 1, BATCH, BATCH + 1, 127, 128, 129, 1_000])('%d records', async (count) => {
    const path = join(tempDir(), 'f');
    const bytes = records(count);
    expect(await written(path, bytes)).toBe(sha256Hex(bytes));
    expect(readFileSync(path).equals(bytes)).toBe(true);
    const open = await reader(path);
    const batches: Buffer[] = [];
    for (let batch = await open.next(); batch.length > 0; batch = await open.next()) batches.push(batch);
    // Batches come in step with the source: all are full but the last.
    expect(batches).toHaveLength(Math.ceil(count / BATCH));
    for (const batch of batches.slice(0, -1)) expect(batch).toHaveLength(BATCH * RECORD_BYTES);
    expect(Buffer.concat(batches).equals(bytes)).toBe(true);
    expect(await open.digest()).toBe(sha256Hex(bytes));
    expect(await open.next()).toHaveLength(0);
  });

  test('in pieces of any size, syncing in between', async () => {
    const folder = tempDir();
    const step = fc.tuple(fc.integer({ min: 0, max: 64 }), fc.boolean());
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const path = join(folder, 'f');
        const bytes = records(steps.reduce((sum, [count]) => sum + count, 0));
        const writer = await FingerprintWriter.create(path);
        let at = 0;
        for (const [count, sync] of steps) {
          await writer.append(bytes.subarray(at, at + count * RECORD_BYTES));
          at += count * RECORD_BYTES;
          if (!sync) continue;
          await writer.sync();
          expect(statSync(path).size).toBe(at);
        }
        expect(await writer.finish()).toBe(sha256Hex(bytes));
        expect(readFileSync(path).equals(bytes)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});

test('appending and syncing at once, as reader and packs do, loses no record and mixes none up', async () => {
  const path = join(tempDir(), 'f');
  const bytes = records(3_000);
  const writer = await FingerprintWriter.create(path);
  const syncs: Promise<void>[] = [];
  const random = seededRandom(3);
  let appended = 0;
  const sync = async () => {
    const through = appended;
    await writer.sync();
    expect(statSync(path).size).toBeGreaterThanOrEqual(through);
    expect(readFileSync(path).subarray(0, through).equals(bytes.subarray(0, through))).toBe(true);
  };
  for (let at = 0; at < bytes.length; at += 16 * RECORD_BYTES) {
    const piece = Buffer.from(bytes.subarray(at, at + 16 * RECORD_BYTES));
    const appending = writer.append(piece);
    // Appended records are copied: the caller fills its buffer again at once.
    piece.fill(0);
    appended += piece.length;
    if (random() < 0.3) syncs.push(sync(), sync());
    await appending;
  }
  await Promise.all(syncs);
  expect(syncs.length).toBeGreaterThan(0);
  expect(await writer.finish()).toBe(sha256Hex(bytes));
  expect(readFileSync(path).equals(bytes)).toBe(true);
});

test('what a caller writes into its buffer after append() was called changes nothing', async () => {
  const path = join(tempDir(), 'f');
  const writer = await FingerprintWriter.create(path);
  const buffer = new Uint8Array(BATCH * RECORD_BYTES);
  const pending: Promise<void>[] = [];
  for (let n = 0; n < 40; n++) {
    buffer.fill(n);
    pending.push(writer.append(buffer));
  }
  await Promise.all(pending);
  await writer.finish();
  const file = readFileSync(path);
  expect(file).toHaveLength(40 * buffer.length);
  for (let n = 0; n < 40; n++) {
    expect(file[n * buffer.length]).toBe(n);
    expect(file[(n + 1) * buffer.length - 1]).toBe(n);
  }
});

// Every write to this file fails with ENOSPC.
describe.skipIf(!existsSync('/dev/full'))('a disk without room', () => {
  test('is told by the next sync, and by finish()', async () => {
    const writer = await FingerprintWriter.create('/dev/full');
    for (let n = 0; n < 20; n++) await writer.append(records(BATCH));
    await expect(writer.sync()).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(writer.finish()).rejects.toMatchObject({ code: 'ENOSPC' });
    await writer.abandon();
  });

  test('is told by append() too, where nobody syncs: what waits for the disk is bounded', async () => {
    const writer = await FingerprintWriter.create('/dev/full');
    const append = async (): Promise<never> => {
      for (;;) await writer.append(records(BATCH));
    };
    await expect(append()).rejects.toMatchObject({ code: 'ENOSPC' });
    await writer.abandon();
  });
});

describe('the digest', () => {
  test('is of the whole file, however far it was read', async () => {
    const path = join(tempDir(), 'f');
    const bytes = records(50);
    await written(path, bytes);
    for (const batches of [0, 1, 3]) {
      const open = await reader(path);
      for (let read = 0; read < batches; read++) await open.next();
      expect(await open.digest()).toBe(sha256Hex(bytes));
      expect(await open.digest()).toBe(sha256Hex(bytes));
    }
  });

  test.each<[string, (bytes: Buffer) => Buffer]>([
    ['a bit that flipped', (bytes) => bytes.map((byte, at) => (at === 20_000 ? byte ^ 1 : byte)) as Buffer],
    ['a record that is missing', (bytes) => bytes.subarray(RECORD_BYTES)],
    ['half a record', (bytes) => bytes.subarray(0, -1)],
    ['a file that is empty', () => Buffer.alloc(0)],
  ])('shows %s', async (_, damaged) => {
    const path = join(tempDir(), 'f');
    const bytes = records(40);
    const digest = await written(path, bytes);
    writeFileSync(path, damaged(bytes));
    expect(await (await reader(path)).digest()).not.toBe(digest);
  });
});

describe('files', () => {
  test('are the owner’s, and replace what was there', async () => {
    const path = join(tempDir(), 'f');
    writeFileSync(path, Buffer.alloc(100_000, 7));
    await written(path, records(1));
    expect(readFileSync(path).equals(records(1))).toBe(true);
    const fresh = join(tempDir(), 'f');
    await written(fresh, records(1));
    expect(statSync(fresh).mode & 0o777).toBe(0o600);
  });

  test('none stays open: finished, thrown away, thrown away after it was finished, or read', async () => {
    const folder = tempDir();
    await written(join(folder, 'a'), records(20));
    const writer = await FingerprintWriter.create(join(folder, 'b'));
    await writer.append(records(16));
    expect(openFilesBelow(folder)).toEqual([join(folder, 'b')]);
    await writer.abandon();
    await writer.abandon();
    const finished = await FingerprintWriter.create(join(folder, 'c'));
    await finished.finish();
    await finished.abandon();
    const open = await FingerprintReader.open(join(folder, 'a'));
    await open.next();
    await open.close();
    expect(openFilesBelow(folder)).toEqual([]);
  });

  test('one that is not there fails, as does a folder that is not there, and one in its place', async () => {
    const folder = tempDir();
    await expect(FingerprintReader.open(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(FingerprintWriter.create(join(folder, 'none', 'f'))).rejects.toMatchObject({
      code: 'ENOENT',
    });
    mkdirSync(join(folder, 'd'));
    await expect(FingerprintWriter.create(join(folder, 'd'))).rejects.toMatchObject({ code: 'EISDIR' });
  });
});

test('hashes of the server become records that know nothing else', () => {
  const hashes = randomBytes(seededRandom(9), 5 * 32);
  const bytes = recordsOfHashes(hashes);
  expect(bytes).toHaveLength(5 * RECORD_BYTES);
  for (let index = 0; index < 5; index++) {
    const record = recordAt(bytes, index);
    expect(Buffer.from(record.sha256)).toEqual(hashes.subarray(index * 32, index * 32 + 32));
    expect(isComplete(record)).toBe(false);
    expect(record.fine.every((byte) => byte === 0)).toBe(true);
  }
  expect(recordsOfHashes(new Uint8Array(0))).toHaveLength(0);
});
