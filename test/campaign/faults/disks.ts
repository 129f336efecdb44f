// Disks that are full, and disks that answer with errors.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CALLS, type CallFault, withFault } from '../calls.ts';
import { between, pick } from '../chance.ts';
import type { Fault } from '../fault.ts';
import { anyDevice, anySide, type World } from '../world.ts';
import { USUAL } from './kills.ts';

export const fullDisk: Fault = {
  name: 'full disk',
  goal: 60,
  waits: true,
  async run(world, random) {
    await world.change(random, between(random, 300, 900), { all: random() < 0.5 });
    const side = anySide(random);
    const volume = pick(random, side === 'device' ? world.deviceVolumes : world.serverVolumes);
    const kind = anyDevice(random);
    const when = pick(random, ['before', 'sending', 'writing'] as const);
    if (when !== 'before') {
      const before = world.oracle.bodyBytes;
      world.startDevice({}, kind);
      // The device leaves room on its disk when it begins to read: a pack is met by a full disk only in the middle of being written.
      await world.until(
        when === 'writing' ? () => isWriting(world) : () => world.oracle.bodyBytes > before,
        3_000,
      );
    }
    volume.fill(when === 'writing' ? 0 : between(random, 0, 600_000));
    world.oracle.note('full', { side, volume: volume.mount, when, kind });
    if (when === 'before') world.startDevice({}, kind);
    await world.deviceEnds(500 + random() * 1_500);
    // A server may end for it; it is started into the full disk again, and may not come up.
    if (world.server?.end && random() < 0.5) await world.tryStartServer();
    volume.free();
    world.faultOver();
    return 1;
  },
};

/** Whether the device has a pack that it has not sealed. */
function isWriting(world: World): boolean {
  try {
    const names = readdirSync(join(world.state, 'staging'), { recursive: true, encoding: 'utf8' });
    return names.some((name) => name.endsWith('.pack.new'));
  } catch {
    // A folder went while it was looked through.
    return false;
  }
}

/** Errors as Linux numbers them (errno.h). */
const ERRORS = { EIO: 5, ENOSPC: 28 } as const;

export const failingCall: Fault = {
  name: 'EIO or ENOSPC from a system call',
  goal: 100,
  async run(world, random) {
    const attempts = between(random, 1, 3);
    let met = 0;
    for (let attempt = 0; attempt < attempts; attempt++) {
      await world.change(random);
      const side = anySide(random);
      const call = pick(random, CALLS);
      const fault: CallFault = {
        call,
        nth: between(random, 1, Math.min(8, USUAL[call])),
        effect: ERRORS[pick(random, ['EIO', 'ENOSPC'] as const)],
        ever: random() < 0.3,
      };
      world.oracle.note('fault', { side, ...fault });
      const launch = withFault(fault, side === 'device' ? world.state : world.data);
      const kind = anyDevice(random);
      if (side === 'device') {
        world.startDevice(launch, kind);
        await world.deviceEnds(2_500);
        await world.killDevice();
      } else {
        await world.killServer();
        await world.tryStartServer(launch);
        world.startDevice({}, kind);
        await world.deviceEnds(2_000);
        await world.killServer();
        await world.startServer();
      }
      if (launch.met()) met++;
      world.faultOver();
      if (kind === 'agent') await world.stopAgent();
      else await world.deviceEnds(10_000);
    }
    return met;
  },
};
