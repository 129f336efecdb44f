// Runs become packs: whatever is added comes out of the sealed files, byte for byte, with hashes that prove it.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sha256 } from '../../../client/fingerprint/block-hashes.ts';
import { type FrameSettings, frameSettings } from '../../../client/pack/frame-settings.ts';
import { COMMIT_ROOM, PackSeries, type SealedRuns } from '../../../client/pack/pack-series.ts';
import { COARSE } from '../../../shared/block.ts';
import { MAX_RUNS } from '../../../shared/change-list.ts';
import { CODECS_OF_ALL } from '../../../shared/pack.ts';
import { MAX_COMMIT_BYTES } from '../../../shared/protocol.ts';
import { builtPacker } from '../../support/client/built-packer.ts';
import { readPack } from '../../support/client/read-pack.ts';
import { randomBytes, seededRandom } from '../../support/random.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** A series through the built worker, its packs in a folder of its own. */
async function seriesOf(settings: FrameSettings, { size = 1e12, commitRoom = COMMIT_ROOM } = {}) {
  const folder = tempDir();
  const pathOf = (number: number) => join(folder, `${number}.pack`);
  const sealed: SealedRuns[] = [];
  const series = new PackSeries({
    packer: await builtPacker(),
    settings,
    size,
    pathOf,
    onSealed: async (pack) => {
      sealed.push(pack);
    },
    commitRoom,
  });
  return { folder, pathOf, sealed, series };
}

test.each([
  ['a day', 1_000_000, 1_000_000],
  ['a first backup', 1_000_000_000, 0],
])('%s', async (_name, size, baseSize) => {
  const { folder, pathOf, sealed, series } = await seriesOf(frameSettings(size, baseSize, CODECS_OF_ALL));
  const random = seededRandom(size);
  const source = new Map<number, Buffer>();
  for (let block = 0; block < 700; block++) {
    const whole = random() < 0.7;
    const length = whole ? COARSE : 1024 * (1 + Math.floor(random() * 20));
    const bytes = random() < 0.5 ? randomBytes(random, length) : Buffer.alloc(length, block);
    source.set(block * COARSE, bytes);
    await series.add(block * COARSE, bytes, whole ? sha256(bytes) : undefined);
    series.blocksDone(block + 1);
  }
  expect(await series.finish(700)).toBe(sealed.length);
  expect(sealed.length).toBeGreaterThan(0);
  let through = 0;
  const seen = new Map<number, Buffer>();
  for (const { number, pack, runs, through: upTo } of sealed) {
    expect(upTo).toBeGreaterThan(through);
    through = upTo;
    const { id, bytes, raw } = readPack(pathOf(number));
    expect(pack).toEqual({ id, bytes, rawBytes: raw.length });
    let offset = 0;
    for (const { at, length } of runs) {
      seen.set(at, raw.subarray(offset, offset + length));
      offset += length;
    }
    expect(offset).toBe(raw.length);
  }
  const joined = (parts: Map<number, Buffer>) =>
    Buffer.concat([...parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes));
  expect(joined(seen).equals(joined(source))).toBe(true);
  expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).toEqual([]);
});

test('packs of a first backup grow from small, and shrink towards the end of the source', async () => {
  const blocks = 2_400;
  const size = blocks * COARSE;
  const { sealed, series } = await seriesOf(frameSettings(size, 0, CODECS_OF_ALL), { size });
  const noise = randomBytes(seededRandom(4), COARSE);
  for (let block = 0; block < blocks; block++) {
    await series.add(block * COARSE, noise);
    series.blocksDone(block + 1);
  }
  await series.finish(blocks);
  const mib = sealed.map(({ pack }) => Math.round(pack.bytes / 1_048_576));
  expect(Math.max(...mib)).toBe(16);
  expect(mib[0]).toBeLessThanOrEqual(3);
  expect(mib.at(-1)).toBeLessThanOrEqual(5);
  const largest = mib.indexOf(16);
  for (const [n, bytes] of mib.entries()) {
    if (n > 0 && n <= largest) expect(bytes).toBeGreaterThan(mib[n - 1]!);
    if (n > largest) expect(bytes).toBeLessThanOrEqual(mib[n - 1]!);
  }
});

describe('a series is full', () => {
  /** Fine runs added to a series of so much room until it is full: two of each block, in packs of one block each. */
  async function runsUntilFull(room: { runs: number; blocks: number }): Promise<number> {
    const settings = { ...frameSettings(10_000_000, 10_000_000, CODECS_OF_ALL), firstPackBytes: 1 };
    const { series } = await seriesOf(settings, { commitRoom: room });
    let added = 0;
    for (let block = 0; !series.full; block++) {
      for (const at of [0, 2_048]) await series.add(block * COARSE + at, Buffer.alloc(1_024, block));
      added += 2;
      if (block === 2) series.blocksDone(block + 1);
    }
    await series.finish(added / 2);
    return added;
  }

  test.each([
    ['runs, of sealed packs too', { runs: 20, blocks: 100 }, 20],
    ['coarse blocks, each counted once', { runs: 100, blocks: 7 }, 14],
  ])('by its %s', async (_, room, added) => {
    expect(await runsUntilFull(room)).toBe(added);
  });

  test('long before a list of so many runs and blocks is refused', () => {
    expect(COMMIT_ROOM.runs).toBeLessThanOrEqual(MAX_RUNS / 2);
    const most = COMMIT_ROOM.runs * 24 + COMMIT_ROOM.blocks * 35;
    expect((most * 4) / 3).toBeLessThan(MAX_COMMIT_BYTES - 1_048_576);
  });
});

describe('packs are sealed', () => {
  const MIB = 1_048_576;
  const BULK = frameSettings(1_000_000_000, 0, CODECS_OF_ALL);

  /** MiB of the packs that so many coarse blocks became, each of them what `next` gives. */
  async function sizes(settings: FrameSettings, blocks: number, next: () => Buffer): Promise<number[]> {
    const { sealed, series } = await seriesOf(settings);
    for (let block = 0; block < blocks; block++) {
      await series.add(block * COARSE, next());
      series.blocksDone(block + 1);
    }
    await series.finish(blocks);
    expect(sealed.map(({ number }) => number)).toEqual(sealed.map((_, index) => index));
    return sealed.map(({ pack }) => pack.rawBytes / MIB);
  }
  const random = seededRandom(4);
  /** What does not shrink counts the same, whether it is on its way or written. */
  const noise = () => randomBytes(random, COARSE);

  test.each([
    ['in bulk, the first early, each after it twice as large', BULK, 50, [2, 4, 8, 16, 16, 4]],
    ['the earlier the smaller the first is to be', { ...BULK, firstPackBytes: MIB }, 20, [1, 2, 4, 8, 5]],
    ['at 16 MiB each where the first is no smaller', { ...BULK, firstPackBytes: 16 * MIB }, 35, [16, 16, 3]],
    ['at 16 MiB where the first is to be larger', { ...BULK, firstPackBytes: 64 * MIB }, 17, [16, 1]],
  ])('%s', async (_name, settings, mib, expected) => {
    expect(await sizes(settings, (mib * MIB) / COARSE, noise)).toEqual(expected);
  });

  test('of a day at 16 MiB', async () => {
    expect(await sizes(frameSettings(0, 0, CODECS_OF_ALL), (17 * MIB) / COARSE, noise)).toEqual([16, 1]);
  });

  test('at 128 MiB of what compresses to nothing', async () => {
    const zeros = Buffer.alloc(COARSE);
    const settings = { ...BULK, firstPackBytes: 16 * MIB };
    expect(await sizes(settings, (130 * MIB) / COARSE, () => zeros)).toEqual([128, 2]);
  });
});
