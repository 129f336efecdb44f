// Disks that are full, and disks that answer with errors.
import { CALLS, type CallFault, withFault } from '../calls.ts';
import { between, pick } from '../chance.ts';
import type { Fault } from '../fault.ts';
import { anySide } from '../world.ts';

export const fullDisk: Fault = {
  name: 'full disk',
  goal: 60,
  waits: true,
  async run(world, random) {
    await world.change(random, between(random, 300, 900));
    const side = anySide(random);
    const volume = pick(random, side === 'device' ? world.deviceVolumes : world.serverVolumes);
    const early = random() < 0.5;
    if (!early) {
      const before = world.oracle.bodyBytes;
      world.startDevice();
      await world.until(() => world.oracle.bodyBytes > before, 3_000);
    }
    volume.fill(between(random, 0, 600_000));
    world.oracle.note('full', { side, volume: volume.mount });
    if (early) world.startDevice();
    await world.deviceEnds(500 + random() * 1_500);
    // A server may end for it; it is started into the full disk again, and may not come up.
    if (world.server?.end && random() < 0.5) await world.tryStartServer();
    volume.free();
    world.faultOver();
    return 1;
  },
};

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
      const fault: CallFault = {
        call: pick(random, CALLS),
        nth: between(random, 1, 8),
        effect: ERRORS[pick(random, ['EIO', 'ENOSPC'] as const)],
        ever: random() < 0.3,
      };
      world.oracle.note('fault', { side, ...fault });
      const launch = withFault(fault);
      if (side === 'device') {
        world.startDevice(launch);
        await world.deviceEnds(2_500);
        await world.killDevice();
      } else {
        await world.killServer();
        await world.tryStartServer(launch);
        world.startDevice();
        await world.deviceEnds(2_000);
        await world.killServer();
        await world.startServer();
      }
      if (launch.met()) met++;
      world.faultOver();
      await world.deviceEnds(10_000);
    }
    return met;
  },
};
