// Bad lines: connections that are reset, lines that swallow everything, answers that never arrive.
import { setTimeout as pause } from 'node:timers/promises';
import { between, pick, type Random } from '../chance.ts';
import { deviceAtWork, SLOW } from '../device-at-work.ts';
import type { Fault } from '../fault.ts';
import type { Exchange } from '../http-watch.ts';
import type { World } from '../world.ts';

export const resets: Fault = {
  name: 'connection reset',
  goal: 400,
  async run(world, random) {
    await world.change(random, between(random, 400, 1_200));
    const before = world.proxy.cuts;
    const wanted = between(random, 8, 14);
    const device = world.startDevice();
    const end = performance.now() + 15_000;
    while (device.end === null && world.proxy.cuts - before < wanted && performance.now() < end) {
      if (random() < 0.6) {
        // After any number of bytes, also in the middle of a head or at the last byte of a body.
        world.proxy.set({ rate: SLOW, resetAfter: between(random, 200, 700_000) });
        const cuts = world.proxy.cuts;
        await world.until(() => world.proxy.cuts > cuts, 1_500);
        world.proxy.set({ rate: SLOW });
      } else {
        await world.until(() => world.proxy.alive > 0, 1_500);
        await pause(random() * 150);
        world.proxy.reset();
      }
      world.faultOver();
      await pause(random() * 100);
    }
    return world.proxy.cuts - before;
  },
};

export const blackHole: Fault = {
  name: 'black hole',
  goal: 100,
  waits: true,
  async run(world, random) {
    const device = await deviceAtWork(world, random);
    if (!device) return 0;
    world.proxy.freeze();
    await pause(200 + random() * 2_000);
    world.proxy.thaw();
    world.faultOver();
    return 1;
  },
};

type Kind = (exchange: Exchange) => boolean;

const COMMIT: Kind = ({ method, path }) => method === 'PUT' && path.startsWith('/v1/versions/');
const OF_UPLOADS: readonly Kind[] = [
  ({ method, path }) => method === 'POST' && path === '/v1/uploads',
  ({ method }) => method === 'PATCH',
  ({ method, path }) => method === 'HEAD' && path.startsWith('/v1/uploads/'),
];

export const lostCommitReply: Fault = {
  name: 'reply lost after commit',
  goal: 100,
  run: (world, random) => loseReplies(world, random, COMMIT),
};

export const lostUploadReply: Fault = {
  name: 'reply of an upload lost',
  goal: 100,
  run: (world, random) => loseReplies(world, random, pick(random, OF_UPLOADS)),
};

/** The server did what was asked, and the device never hears of it; how many answers were lost. */
async function loseReplies(world: World, random: Random, kind: Kind): Promise<number> {
  await world.change(random);
  const wanted = between(random, 1, 3);
  let lost = 0;
  world.judge = (exchange) => {
    if (lost >= wanted || !kind(exchange) || exchange.status! >= 300) return 'pass';
    lost++;
    world.faultOver();
    return 'lose';
  };
  world.startDevice();
  await world.until(() => lost >= wanted, 10_000);
  return lost;
}
