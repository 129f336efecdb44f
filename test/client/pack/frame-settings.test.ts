// How hard to compress: hard for a day's work, fast for a first backup, and always within what the format allows.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frameSettings } from '../../../client/pack/frame-settings.ts';
import { COARSE } from '../../../shared/block.ts';
import { MAX_FRAME_RAW, MAX_PACK_STORED } from '../../../shared/pack.ts';

const MIB = 1_048_576;

test('whatever the sizes, frames are whole coarse blocks that fit the format, and batches whole frames', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (size, base) => {
      const settings = frameSettings(size, base);
      const { rawBytes, batchBytes, quality, window, worthwhile, firstPackBytes } = settings;
      expect(rawBytes % COARSE).toBe(0);
      expect(rawBytes).toBeGreaterThan(0);
      expect(rawBytes).toBeLessThanOrEqual(MAX_FRAME_RAW);
      expect(batchBytes % rawBytes).toBe(0);
      expect(batchBytes).toBeGreaterThanOrEqual(rawBytes);
      expect(quality).toBeGreaterThanOrEqual(0);
      expect(quality).toBeLessThanOrEqual(11);
      // RFC 7932: 10 to 24.
      expect(window).toBeGreaterThanOrEqual(10);
      expect(window).toBeLessThanOrEqual(24);
      expect(worthwhile).toBeLessThanOrEqual(1);
      expect(firstPackBytes).toBeGreaterThan(0);
      expect(firstPackBytes).toBeLessThan(MAX_PACK_STORED);
    }),
  );
});

test('up to 64 MiB more than the server holds is a day', () => {
  const day = frameSettings(0, 0);
  const bulk = frameSettings(10_000 * MIB, 0);
  expect(day.quality).toBeGreaterThan(bulk.quality);
  expect(day.rawBytes).toBeGreaterThan(bulk.rawBytes);
  expect(frameSettings(64 * MIB, 0)).toEqual(day);
  expect(frameSettings(64 * MIB + 1, 0)).toEqual(bulk);
  expect(frameSettings(10_000 * MIB, 9_990 * MIB)).toEqual(day);
  // A source that shrank.
  expect(frameSettings(5, 10_000 * MIB)).toEqual(day);
});

test('bulk loses no time with noise nor on a large first pack; a day tries everything, for one pack', () => {
  const [day, bulk] = [frameSettings(0, 0), frameSettings(10_000 * MIB, 0)];
  expect([bulk.skipNoise, day.skipNoise]).toEqual([true, false]);
  expect(bulk.firstPackBytes).toBeLessThan(day.firstPackBytes);
});
