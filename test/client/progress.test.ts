// Pace: bytes a second since the work began, and what follows for the rest.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Pacer } from '../../client/progress.ts';

const report = (done: number, total = 1_000, path = '/a') => ({ phase: 'scan' as const, path, done, total });

test('no rate before there is time', () => {
  expect(new Pacer().pace(report(0), 5_000)).toEqual({ rate: 0, secondsLeft: null });
});

test('bytes a second since the first report, which may be in the middle', () => {
  const pacer = new Pacer();
  pacer.pace(report(200), 10_000);
  expect(pacer.pace(report(400), 12_000)).toEqual({ rate: 100, secondsLeft: 6 });
});

test('phases and paths have a pace each', () => {
  const pacer = new Pacer();
  pacer.pace(report(0, 1_000, '/a'), 0);
  pacer.pace(report(500, 1_000, '/b'), 1_000);
  expect(pacer.pace(report(100, 1_000, '/a'), 1_000).rate).toBe(100);
  expect(pacer.pace(report(500, 1_000, '/b'), 2_000).rate).toBe(0);
});

test('work that begins anew has a pace of its own: an agent reads the same source every day', () => {
  const pacer = new Pacer();
  pacer.pace(report(0), 0);
  pacer.pace(report(1_000), 1_000);
  const tomorrow = 86_400_000;
  pacer.pace(report(0), tomorrow);
  expect(pacer.pace(report(500), tomorrow + 1_000)).toEqual({ rate: 500, secondsLeft: 1 });
});

test('never a rate or a time below zero, or one that is no number', () => {
  const steps = fc.array(fc.tuple(fc.nat(1_000), fc.nat(10_000)), { maxLength: 20 });
  fc.assert(
    fc.property(steps, (list) => {
      const pacer = new Pacer();
      let now = 0;
      for (const [done, wait] of list) {
        now += wait;
        const { rate, secondsLeft } = pacer.pace(report(done), now);
        expect(rate).toBeGreaterThanOrEqual(0);
        if (secondsLeft !== null) expect(secondsLeft).toBeGreaterThanOrEqual(0);
      }
    }),
  );
});
