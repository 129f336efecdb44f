// One read of a source: for any base and any edits, the base with the runs laid over it is the new file, and all sums agree.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { blockHashes, sha256 } from '../../../client/fingerprint/block-hashes.ts';
import { BATCH, FingerprintReader, FingerprintWriter } from '../../../client/fingerprint/fingerprint-file.ts';
import { scan } from '../../../client/scan/scan.ts';
import { InlineHash } from '../../../client/scan/whole-hash.ts';
import { COARSE } from '../../../shared/block.ts';
import { toHex } from '../../../shared/byte-codec.ts';
import { merkleRoot } from '../../../shared/merkle.ts';
import { randomBytes, seededRandom } from '../../support/random.ts';

const folder = mkdtempSync(join(tmpdir(), 'mailferry-scan-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const hashes = blockHashes(Buffer.alloc(32, 7));
let files = 0;

interface Scanned {
  readonly runs: { at: number; bytes: Buffer; hash: Uint8Array | undefined }[];
  readonly fingerprint: string;
  readonly digest: string;
  readonly result: Awaited<ReturnType<typeof scan>>;
}

async function scanOf(
  content: Buffer,
  base: { fingerprint: string; size: number } | null,
  stop = () => false,
): Promise<Scanned> {
  const path = join(folder, `source-${files}`);
  const fingerprint = join(folder, `fingerprint-${files++}`);
  writeFileSync(path, content);
  const runs: Scanned['runs'] = [];
  const file = await open(path, 'r');
  const draft = await FingerprintWriter.create(fingerprint);
  const records = base ? await FingerprintReader.open(base.fingerprint) : null;
  try {
    const result = await scan({
      file,
      path,
      size: content.length,
      base: records && base ? { records, size: base.size } : null,
      hashes,
      whole: new InlineHash(),
      draft,
      packs: {
        add: async (at, bytes, hash) => {
          runs.push({ at, bytes: Buffer.from(bytes), hash });
        },
        blocksDone: () => {},
      },
      stop,
      onProgress: () => {},
    });
    return { runs, fingerprint, digest: await draft.finish(), result };
  } finally {
    await file.close();
    await records?.close();
  }
}

function rootOf(content: Buffer): string {
  const leaves: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += COARSE) leaves.push(sha256(content.subarray(at, at + COARSE)));
  return toHex(merkleRoot(Buffer.concat(leaves), sha256));
}

function laidOver(base: Buffer, { runs }: Scanned, size: number): Buffer {
  const out = Buffer.alloc(size);
  base.copy(out);
  for (const { at, bytes } of runs) bytes.copy(out, at);
  return out;
}

const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.integer({ min: 1, max: 9_000 }),
});

test('any base, any edits, truncations and growth', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 400_000 }),
      fc.integer({ min: 0, max: 400_000 }),
      fc.array(edit, { maxLength: 6 }),
      fc.integer(),
      async (before, after, edits, seed) => {
        const random = seededRandom(seed);
        const old = randomBytes(random, before);
        const now = Buffer.concat([old, randomBytes(random, Math.max(0, after - before))]).subarray(0, after);
        const changed = Buffer.from(now);
        for (const { at, length } of edits) {
          randomBytes(random, length).copy(changed, Math.floor(at * changed.length));
        }
        const first = await scanOf(old, null);
        expect(laidOver(Buffer.alloc(0), first, before).equals(old)).toBe(true);
        const second = await scanOf(changed, { fingerprint: first.fingerprint, size: before });
        expect(laidOver(old.subarray(0, after), second, after).equals(changed)).toBe(true);
        expect(toHex(second.result.root)).toBe(rootOf(changed));
        expect(second.result.sha256).toBe(createHash('sha256').update(changed).digest('hex'));
        // The fingerprint does not depend on how the source came to be what it is.
        expect(second.digest).toBe((await scanOf(changed, null)).digest);
        for (const { bytes, hash } of second.runs) if (hash) expect(hash).toEqual(sha256(bytes));
      },
    ),
    { numRuns: 40 },
  );
}, 60_000);

test('nothing changed: nothing is sent', async () => {
  const content = randomBytes(seededRandom(1), 300_000);
  const first = await scanOf(content, null);
  const second = await scanOf(content, { fingerprint: first.fingerprint, size: content.length });
  expect(second.runs).toEqual([]);
  expect(second.result.changed).toBe(0);
});

test('one byte changed: one fine block is sent', async () => {
  const content = randomBytes(seededRandom(2), 300_000);
  const first = await scanOf(content, null);
  const changed = Buffer.from(content);
  changed[100_000]! ^= 1;
  const second = await scanOf(changed, { fingerprint: first.fingerprint, size: content.length });
  expect(second.runs.map(({ at, bytes }) => [at, bytes.length])).toEqual([
    [Math.floor(100_000 / 1024) * 1024, 1024],
  ]);
});

test('stopped early: a prefix of whole pieces, and says so', async () => {
  const content = randomBytes(seededRandom(3), 5 * 1_048_576);
  const stopped = await scanOf(content, null, () => true);
  expect(stopped.result).toMatchObject({ complete: false, through: BATCH });
  expect(stopped.runs.at(-1)).toMatchObject({ at: (BATCH - 1) * COARSE });
});

test('a file that became shorter is no source', async () => {
  const path = join(folder, 'shrinking');
  writeFileSync(path, Buffer.alloc(3_000_000, 1));
  const file = await open(path, 'r');
  truncateSync(path, 1_000);
  const draft = await FingerprintWriter.create(join(folder, 'shrinking.fingerprint'));
  const scanning = scan({
    file,
    path,
    size: 3_000_000,
    base: null,
    hashes,
    whole: new InlineHash(),
    draft,
    packs: { add: async () => {}, blocksDone: () => {} },
    stop: () => false,
    onProgress: () => {},
  });
  await expect(scanning).rejects.toMatchObject({ code: 'source_changed' });
  await file.close();
  await draft.abandon();
});
