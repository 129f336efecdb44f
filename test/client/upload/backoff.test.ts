// Waits: bounded on both sides, never shorter after one failure more, and never the same for a thousand devices.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs } from '../../../client/upload/backoff.ts';

const attempts = fc.nat(1_000_000);
const chance = fc.double({ min: 0, max: 1, noNaN: true });

test('between a quarter of a second and a minute, whatever the chance', () => {
  fc.assert(
    fc.property(attempts, chance, (failed, c) => {
      const wait = backoffMs(failed, c);
      expect(Number.isInteger(wait)).toBe(true);
      expect(wait).toBeGreaterThanOrEqual(250);
      expect(wait).toBeLessThanOrEqual(60_000);
    }),
  );
});

test('never shorter after one failure more, or with more chance', () => {
  fc.assert(
    fc.property(attempts, chance, chance, (failed, a, b) => {
      expect(backoffMs(failed + 1, a)).toBeGreaterThanOrEqual(backoffMs(failed, a));
      expect(backoffMs(failed, Math.max(a, b))).toBeGreaterThanOrEqual(backoffMs(failed, Math.min(a, b)));
    }),
  );
});

test('doubles up to a minute; the half of it is chance', () => {
  expect([0, 1, 2, 3].map((failed) => backoffMs(failed, 1))).toEqual([500, 1_000, 2_000, 4_000]);
  expect([0, 1, 2, 3].map((failed) => backoffMs(failed, 0))).toEqual([250, 500, 1_000, 2_000]);
  expect(backoffMs(7, 1)).toBe(60_000);
  expect(backoffMs(Number.MAX_SAFE_INTEGER, 0)).toBe(30_000);
});
