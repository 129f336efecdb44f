// Rests: as long as asked, cut short by what there is to do, never so short that they become work.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Nap } from '../../client/nap.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function resting(nap: Nap, ms: number) {
  let over = false;
  void nap.rest(ms).then(() => {
    over = true;
  });
  return async (passed: number) => {
    await vi.advanceTimersByTimeAsync(passed);
    return over;
  };
}

test('a rest ends when it is over', async () => {
  const after = resting(new Nap(new AbortController().signal), 60_000);
  expect(await after(59_999)).toBe(false);
  expect(await after(1)).toBe(true);
});

test('being woken ends it within a second', async () => {
  const nap = new Nap(new AbortController().signal);
  const after = resting(nap, 60_000);
  await after(5_000);
  nap.wake();
  expect(await after(999)).toBe(false);
  expect(await after(1)).toBe(true);
});

test('being woken while at work ends the next one, and only that', async () => {
  const nap = new Nap(new AbortController().signal);
  nap.wake();
  nap.wake();
  expect(await resting(nap, 60_000)(1_000)).toBe(true);
  expect(await resting(nap, 60_000)(59_000)).toBe(false);
});

test('a stop ends it at once', async () => {
  const stop = new AbortController();
  const nap = new Nap(stop.signal);
  const after = resting(nap, 60_000);
  stop.abort();
  expect(await after(0)).toBe(true);
  expect(await resting(nap, 60_000)(0)).toBe(true);
});
