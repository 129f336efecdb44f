// Sleep and set clocks: what two clocks tell, case by case, and a timer that comes late.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { jumped, watchWake } from '../../../client/line/wake-watch.ts';

test.each([
  ['a second passed', 1_000, 1_000, false],
  ['the machine is busy', 4_000, 4_000, false],
  ['the process was stopped for half a minute', 30_000, 30_000, true],
  ['the machine slept, and its steady clock with it', 3_600_000, 1_000, true],
  ['the clock was set forward', 61_000, 1_000, true],
  ['the clock was set back', -59_000, 1_000, true],
  ['the clock is adjusted by little', 1_500, 1_000, false],
])('%s', (_, wall, steady, expected) => {
  const before = { now: 1_000_000, monotonic: 500 };
  expect(jumped(before, { now: before.now + wall, monotonic: before.monotonic + steady })).toBe(expected);
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('each jump is told once, until nobody wants to know', () => {
  let now = 0;
  let monotonic = 0;
  const onWake = vi.fn();
  const stop = watchWake({ now: () => now, monotonic: () => monotonic }, onWake);
  const tick = (wall: number, steady = wall) => {
    now += wall;
    monotonic += steady;
    vi.advanceTimersByTime(1_000);
    return onWake.mock.calls.length;
  };
  expect(tick(1_000)).toBe(0);
  expect(tick(1_000)).toBe(0);
  expect(tick(7_200_000, 1_000)).toBe(1);
  expect(tick(1_000)).toBe(1);
  stop();
  expect(tick(7_200_000)).toBe(1);
});
