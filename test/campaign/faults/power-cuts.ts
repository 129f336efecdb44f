// The power goes: what no fsync asked for is lost, on ext4 and xfs, with database and packs on different volumes.
import { between, type Random } from '../chance.ts';
import { promisesKept } from '../check.ts';
import type { Fault } from '../fault.ts';
import type { Exchange } from '../http-watch.ts';
import type { World } from '../world.ts';

const SLOW = 8_000_000;

/** An answer that promises something: a whole upload, or a receipt. */
export function isPromise({ method, path, status, headers, answer }: Exchange): boolean {
  if (status === null || status >= 300) return false;
  if (method === 'PUT') return path.startsWith('/v1/versions/');
  if (method !== 'PATCH') return false;
  return (
    Number(answer['upload-offset']) === Number(headers['upload-offset']) + Number(headers['content-length'])
  );
}

/** Resolves in the very moment when a promise that `wanted` has passed: the line is frozen behind it. */
export function atPromise(world: World, wanted: (exchange: Exchange) => boolean): Promise<void> {
  return new Promise((resolve) => {
    world.judge = (exchange) => (isPromise(exchange) && wanted(exchange) ? 'freeze-after' : 'pass');
    world.onPassed = (exchange) => {
      if (isPromise(exchange) && wanted(exchange)) resolve();
    };
  });
}

async function cutMoment(world: World, random: Random): Promise<void> {
  const before = world.oracle.bodyBytes;
  if (random() < 0.5) {
    // Right behind a promise: nothing may still be on its way to the disk.
    let left = between(random, 1, 4);
    const passed = atPromise(world, () => --left <= 0);
    let done = false;
    void passed.then(() => {
      done = true;
    });
    await world.until(() => done, 5_000);
  } else {
    if (random() < 0.7) await world.until(() => world.oracle.bodyBytes > before, 2_000);
    const end = performance.now() + random() * 600;
    await world.until(() => performance.now() > end, 700);
  }
}

export const cutServer: Fault = {
  name: 'power cut of the server',
  goal: 110,
  async run(world, random) {
    await world.change(random);
    world.proxy.set({ rate: SLOW });
    world.startDevice();
    const cuts = between(random, 2, 4);
    for (let cut = 0; cut < cuts; cut++) {
      await cutMoment(world, random);
      await world.cutPower('server');
      world.judge = () => 'pass';
      await world.startServerUnheard(() => promisesKept(world));
      world.faultOver();
    }
    return cuts;
  },
};

export const cutDevice: Fault = {
  name: 'power cut of the device',
  goal: 100,
  async run(world, random) {
    await world.change(random);
    world.proxy.set({ rate: SLOW });
    const cuts = between(random, 2, 5);
    for (let cut = 0; cut < cuts; cut++) {
      world.startDevice();
      await cutMoment(world, random);
      await world.cutPower('device');
      world.judge = () => 'pass';
    }
    world.startDevice();
    world.faultOver();
    return cuts;
  },
};
