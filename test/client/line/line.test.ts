// The line as a whole: what each sign sets going.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Line, type Sign } from '../../../client/line/line.ts';
import type { Interfaces } from '../../../client/line/network-watch.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1_000);

function line(answers: boolean[]) {
  const clock = { ahead: 0 };
  const addresses: { now: Interfaces } = { now: {} };
  const probe = vi.fn(async () => answers.shift() ?? false);
  const made = new Line({
    now: () => Date.now() + clock.ahead,
    monotonic: () => performance.now(),
    interfaces: () => addresses.now,
    chance: () => 0,
    probe,
  });
  const signs: Sign[] = [];
  made.onSign((sign) => signs.push(sign));
  return { made, signs, probe, clock, addresses };
}

test('after waking the line is asked for until it answers, which is told: the network wakes later than the machine', async () => {
  const { made, signs, probe, clock } = line([false, false, true]);
  clock.ahead = 3_600_000;
  await seconds(1);
  expect(signs).toEqual(['woke']);
  expect(made.waking).toBe(true);
  await seconds(3);
  expect(signs).toEqual(['woke', 'answers']);
  await seconds(60);
  expect(probe).toHaveBeenCalledTimes(3);
  expect(made.waking).toBe(false);
});

test('a request that was heard after waking ends the asking', async () => {
  const { made, signs, probe, clock } = line([false, true]);
  clock.ahead = 3_600_000;
  await seconds(1);
  made.trust();
  await seconds(60);
  expect(signs).toEqual(['woke']);
  expect(probe).not.toHaveBeenCalled();
});

test('so it is with other addresses', async () => {
  const { signs, addresses } = line([false, true]);
  addresses.now = {
    vpn0: [
      {
        address: '10.0.0.2',
        netmask: '255.0.0.0',
        family: 'IPv4',
        mac: '00:00:00:00:00:00',
        internal: false,
        cidr: null,
      },
    ],
  };
  await seconds(10);
  expect(signs).toEqual(['network', 'answers']);
});

test('closed, it hears and asks nothing', async () => {
  const { made, signs, probe, clock } = line([true]);
  made.close();
  clock.ahead = 3_600_000;
  await seconds(60);
  expect([signs, probe.mock.calls]).toEqual([[], []]);
});
