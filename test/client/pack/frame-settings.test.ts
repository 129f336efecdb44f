// How hard to compress: hard for a day's work, fast for a first backup, and always within what the format allows.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frameSettings } from '../../../client/pack/frame-settings.ts';
import { COARSE } from '../../../shared/block.ts';
import { CODECS, CODECS_OF_ALL, codecsIn, MAX_FRAME_RAW, MAX_PACK_STORED } from '../../../shared/pack.ts';

const MIB = 1_048_576;

const ALL = codecsIn('0,1,2');
const SIDES = [
  { codecs: CODECS_OF_ALL, codec: CODECS.brotli, levels: [0, 11], windows: [10, 24] },
  { codecs: ALL, codec: CODECS.zstd, levels: [1, 19], windows: [10, 23] },
] as const;

describe.each(SIDES)('codec $codec', ({ codecs, codec, levels, windows }) => {
  const settingsOf = (size: number, base: number) => frameSettings(size, base, codecs);

  test('whatever the sizes, frames are whole coarse blocks that fit the format, and batches whole frames', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (size, base) => {
        const settings = settingsOf(size, base);
        const { rawBytes, batchBytes, level, window, worthwhile, firstPackBytes } = settings;
        expect(settings.codec).toBe(codec);
        expect(rawBytes % COARSE).toBe(0);
        expect(rawBytes).toBeGreaterThan(0);
        expect(rawBytes).toBeLessThanOrEqual(MAX_FRAME_RAW);
        expect(batchBytes % rawBytes).toBe(0);
        expect(batchBytes).toBeGreaterThanOrEqual(rawBytes);
        expect(level).toBeGreaterThanOrEqual(levels[0]);
        expect(level).toBeLessThanOrEqual(levels[1]);
        expect(window).toBeGreaterThanOrEqual(windows[0]);
        expect(window).toBeLessThanOrEqual(windows[1]);
        expect(worthwhile).toBeLessThanOrEqual(1);
        expect(firstPackBytes).toBeGreaterThan(0);
        expect(firstPackBytes).toBeLessThan(MAX_PACK_STORED);
      }),
    );
  });

  test('up to 64 MiB more than the server holds is a day', () => {
    const day = settingsOf(0, 0);
    const bulk = settingsOf(10_000 * MIB, 0);
    expect(day.level).toBeGreaterThan(bulk.level);
    expect(day.rawBytes).toBeGreaterThan(bulk.rawBytes);
    expect(settingsOf(64 * MIB, 0)).toEqual(day);
    expect(settingsOf(64 * MIB + 1, 0)).toEqual(bulk);
    expect(settingsOf(10_000 * MIB, 9_990 * MIB)).toEqual(day);
    // A source that shrank.
    expect(settingsOf(5, 10_000 * MIB)).toEqual(day);
  });

  test('bulk loses no time with noise nor on a large first pack; a day tries everything, for one pack', () => {
    const [day, bulk] = [settingsOf(0, 0), settingsOf(10_000 * MIB, 0)];
    expect([bulk.skipNoise, day.skipNoise]).toEqual([true, false]);
    expect(bulk.firstPackBytes).toBeLessThan(day.firstPackBytes);
  });
});

test('brotli is written as it was before there was anything else', () => {
  const written = { codec: CODECS.brotli, rawBytes: 131_072, batchBytes: 1_048_576, level: 0, window: 18 };
  expect(frameSettings(10_000 * MIB, 0, CODECS_OF_ALL)).toMatchObject(written);
  const day = { codec: CODECS.brotli, rawBytes: 6 * MIB, batchBytes: 6 * MIB, level: 5, window: 22 };
  expect(frameSettings(0, 0, CODECS_OF_ALL)).toMatchObject(day);
});
