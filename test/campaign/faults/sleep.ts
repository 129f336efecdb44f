// The lid is closed, and clocks that jump.
import { setTimeout as pause } from 'node:timers/promises';
import { between, pick } from '../chance.ts';
import { deviceAtWork, SLOW } from '../device-at-work.ts';
import type { Fault } from '../fault.ts';
import { anySide } from '../world.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** The processes stand still, the wall clock has gone on when they wake, and what they were connected to is dead and silent. */
export const suspend: Fault = {
  name: 'suspend and resume',
  goal: 40,
  waits: true,
  async run(world, random) {
    const device = await deviceAtWork(world, random);
    if (!device) return 0;
    device.child.kill('SIGSTOP');
    world.proxy.freeze();
    await pause(300 + random() * 3_000);
    world.setClock('device', Math.round(between(random, 1, 3 * 24 * 60) * MINUTE));
    device.child.kill('SIGCONT');
    // The network comes back a moment after the machine.
    await pause(random() * 1_000);
    world.proxy.thaw();
    world.faultOver();
    await world.deviceEnds(60_000);
    world.setClock('device', 0);
    return 1;
  },
};

const JUMPS: readonly number[] = [
  2 * 60 * MINUTE,
  -2 * 60 * MINUTE,
  -3 * DAY,
  400 * DAY,
  // About 1970, 2038 and 2100 from when this was written.
  -20_000 * DAY,
  4_300 * DAY,
  27_000 * DAY,
];

export const clockJump: Fault = {
  name: 'clock jump',
  goal: 60,
  async run(world, random) {
    await world.change(random);
    world.proxy.set({ rate: SLOW });
    const side = anySide(random);
    // With something to wait for: a line that is down makes the device note when it tries again.
    if (random() < 0.5) world.proxy.set({ rate: SLOW, down: true });
    world.startDevice();
    await pause(300 + random() * 700);
    world.setClock(side, pick(random, JUMPS));
    await pause(100 + random() * 500);
    world.proxy.set({ rate: SLOW });
    world.faultOver();
    await world.deviceEnds(60_000);
    // And back: later faults begin with the right time.
    world.setClock(side, 0);
    return 1;
  },
};
