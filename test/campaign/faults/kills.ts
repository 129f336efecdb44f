// kill -9: at moments by chance, and exactly at the n-th of some system calls.
import { setTimeout as pause } from 'node:timers/promises';
import { CALLS, type CallFault, withFault } from '../calls.ts';
import { between, pick, type Random } from '../chance.ts';
import type { Fault } from '../fault.ts';
import { anySide, type World } from '../world.ts';

/** Bytes a second: so slow that a backup of a few megabytes lives through several kills. */
const SLOW = 6_000_000;

/** Waits for the first bytes of a transfer (or not, by chance) and then some more. */
async function someMoment(world: World, random: Random, most: number): Promise<void> {
  const before = world.oracle.bodyBytes;
  if (random() < 0.7) await world.until(() => world.oracle.bodyBytes > before, 1_000);
  const end = performance.now() + random() * most;
  await world.until(() => performance.now() > end, most + 10);
}

export const killDevice: Fault = {
  name: 'kill -9 of the device',
  goal: 500,
  async run(world, random) {
    await world.change(random);
    world.proxy.set({ rate: SLOW });
    const wanted = between(random, 6, 10);
    let kills = 0;
    while (kills < wanted) {
      const device = world.startDevice({}, random() < 0.3 ? 'agent' : 'backup');
      if (kills > 0) world.faultOver();
      await someMoment(world, random, 350);
      if (device.end !== null) {
        await world.deviceEnds(0);
        await world.change(random);
        continue;
      }
      await world.killDevice();
      kills++;
    }
    world.startDevice();
    world.faultOver();
    return kills;
  },
};

export const killServer: Fault = {
  name: 'kill -9 of the server',
  goal: 500,
  async run(world, random) {
    await world.change(random, between(random, 400, 1_200));
    world.proxy.set({ rate: SLOW });
    world.startDevice();
    const wanted = between(random, 4, 7);
    for (let kills = 0; ; kills++) {
      await someMoment(world, random, 300);
      // Also while it starts, and before it says where it listens.
      if (random() < 0.15 && kills + 1 < wanted) {
        await world.killServer();
        void world.tryStartServer();
        await pause(random() * 500);
        kills++;
      }
      await world.killServer();
      await world.startServer();
      world.faultOver();
      if (kills + 1 >= wanted) return kills + 1;
      if (world.device?.end) {
        await world.deviceEnds(0);
        await world.change(random);
        world.startDevice();
      }
    }
  },
};

/** How many calls of a kind an ordinary backup makes, roughly: beyond it nothing is hit. */
export const USUAL: Readonly<Record<(typeof CALLS)[number], number>> = {
  rename: 4,
  fsync: 20,
  fdatasync: 4,
  unlink: 6,
  rmdir: 3,
  mkdir: 4,
  ftruncate: 2,
  pwrite: 60,
  pwritev: 10,
  write: 8,
};

/** What turns something into what counts from then on, or removes it. */
const DECISIVE = [
  'rename',
  'fsync',
  'fdatasync',
  'unlink',
] as const satisfies readonly (typeof CALLS)[number][];

export const killAtDecisiveCall: Fault = {
  name: 'kill -9 at the n-th rename, fsync or unlink',
  goal: 200,
  run: (world, random) => killAtCalls(world, random, DECISIVE),
};

export const killAtOtherCall: Fault = {
  name: 'kill -9 at the n-th mkdir, rmdir, ftruncate or write',
  goal: 60,
  run: (world, random) =>
    killAtCalls(
      world,
      random,
      CALLS.filter((call) => !DECISIVE.some((decisive) => decisive === call)),
    ),
};

/** Kills at calls of some kinds; how often there was one to kill at. */
async function killAtCalls(
  world: World,
  random: Random,
  calls: readonly CallFault['call'][],
): Promise<number> {
  let hits = 0;
  for (let attempt = 0; attempt < 4; attempt++) {
    await world.change(random);
    const side = anySide(random);
    const call = pick(random, calls);
    const fault: CallFault = {
      call,
      nth: between(random, 1, USUAL[call]),
      effect: pick(random, ['before', 'after'] as const),
    };
    world.oracle.note('fault', { side, ...fault });
    if (side === 'device') {
      const device = world.startDevice(withFault(fault, world.state));
      await world.deviceEnds(20_000);
      if (device.end?.signal === 'SIGKILL') hits++;
      world.startDevice();
    } else {
      await world.killServer();
      await world.tryStartServer(withFault(fault, world.data));
      const { server } = world;
      world.startDevice();
      await world.until(() => server?.end !== null, 20_000);
      if (server?.end?.signal === 'SIGKILL') hits++;
      // One that was not hit goes on without the fault.
      await world.killServer();
      await world.startServer();
    }
    world.faultOver();
    await world.deviceEnds(20_000);
  }
  return hits;
}
