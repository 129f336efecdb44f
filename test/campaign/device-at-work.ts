// A device in the middle of sending, over a line that is slow enough to be met there: where several faults begin.
import { setTimeout as pause } from 'node:timers/promises';
import { between, type Random } from './chance.ts';
import type { Process } from './program.ts';
import type { World } from './world.ts';

/** Bytes a second. */
export const SLOW = 8_000_000;

/** Changes sources and starts a device; null where it was done before it could be met at work. */
export async function deviceAtWork(world: World, random: Random): Promise<Process | null> {
  await world.change(random, between(random, 400, 1_200));
  world.proxy.set({ rate: SLOW });
  const before = world.oracle.bodyBytes;
  const device = world.startDevice();
  await world.until(() => world.oracle.bodyBytes > before, 5_000);
  await pause(random() * 250);
  return device.end === null ? device : null;
}
