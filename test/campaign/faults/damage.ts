// Files that rot: bits flipped, ends cut off, whole files gone, where the device can make good what was lost.
import {
  closeSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { between, pick, type Random } from '../chance.ts';
import { contentOf } from '../check.ts';
import type { Fault } from '../fault.ts';
import { Violation } from '../oracle.ts';
import { anyDevice, type World } from '../world.ts';

type Damage = 'flip' | 'zero' | 'truncate' | 'delete';
const DAMAGES: readonly Damage[] = ['flip', 'flip', 'zero', 'truncate', 'delete'];

/** Damages one file. */
export function damageFile(path: string, random: Random, how: Damage = pick(random, DAMAGES)): void {
  const { size } = statSync(path);
  if (how === 'delete') {
    rmSync(path);
    return;
  }
  if (how === 'truncate' || size === 0) {
    truncateSync(path, Math.floor(random() * size));
    return;
  }
  const file = openSync(path, 'r+');
  try {
    const at = Math.floor(random() * size);
    const bytes = Buffer.alloc(how === 'flip' ? 1 : Math.min(4_096, size - at));
    if (how === 'flip') {
      readSync(file, bytes, 0, 1, at);
      bytes[0]! ^= 1 << between(random, 0, 7);
    }
    writeSync(file, bytes, 0, bytes.length, at);
  } finally {
    closeSync(file);
  }
}

function filesBelow(directory: string, wanted: (name: string) => boolean): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && wanted(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Damages up to `most` of `paths`, each chosen once; which. */
function damageSome(world: World, random: Random, paths: readonly string[], most: number): string[] {
  const left = [...paths];
  const damaged: string[] = [];
  while (damaged.length < most && left.length > 0) {
    const [path] = left.splice(Math.floor(random() * left.length), 1);
    const how = pick(random, DAMAGES);
    world.oracle.note('damage', { path, how });
    damageFile(path!, random, how);
    damaged.push(path!);
  }
  return damaged;
}

export const damagedStaging: Fault = {
  name: 'damaged pack in staging',
  goal: 180,
  destroys: true,
  async run(world, random) {
    await world.change(random, between(random, 300, 900));
    world.proxy.set({ down: true });
    await world.queueOnly();
    if (random() < 0.4) {
      // Some of it is on its way already.
      world.proxy.set({ rate: 4_000_000 });
      const before = world.oracle.bodyBytes;
      world.startDevice();
      await world.until(() => world.oracle.bodyBytes > before + 100_000, 2_000);
      await world.killDevice();
    }
    const packs = filesBelow(join(world.state, 'staging'), (name) => name.endsWith('.pack'));
    const damaged = damageSome(world, random, packs, between(random, 1, 3));
    world.proxy.set({});
    world.startDevice({}, anyDevice(random));
    world.faultOver();
    return damaged.length;
  },
};

export const damagedFingerprint: Fault = {
  name: 'damaged fingerprint',
  goal: 120,
  destroys: true,
  async run(world, random) {
    const fingerprints = filesBelow(join(world.state, 'fingerprints'), () => true);
    const damaged = damageSome(world, random, fingerprints, between(random, 1, 3));
    // All of them: each that is damaged is met now.
    await world.change(random, between(random, 100, 600), { all: true });
    world.startDevice({}, anyDevice(random));
    world.faultOver();
    return damaged.length;
  },
};

export const damagedUpload: Fault = {
  name: 'damaged upload on the server',
  goal: 100,
  destroys: true,
  async run(world, random) {
    await world.change(random, between(random, 500, 1_200));
    world.proxy.set({ rate: 3_000_000 });
    const before = world.oracle.bodyBytes;
    world.startDevice();
    await world.until(() => world.oracle.bodyBytes > before + 200_000, 20_000);
    world.proxy.set({ down: true });
    world.proxy.reset();
    await world.killServer();
    const uploads = filesBelow(join(world.data, 'vaults', world.identity.device, 'uploads'), () => true);
    const damaged = damageSome(
      world,
      random,
      uploads.filter((path) => statSync(path).size > 0),
      2,
    );
    world.proxy.set({});
    await world.startServer();
    world.faultOver();
    return damaged.length;
  },
};

export const damagedVault: Fault = {
  name: 'damaged pack on the server',
  goal: 60,
  destroys: true,
  spends: true,
  async run(world, random) {
    const vault = join(world.data, 'vaults', world.identity.device, 'packs');
    const packs = filesBelow(vault, (name) => /^[0-9a-f]{64}$/.test(name));
    const damaged = damageSome(world, random, packs, between(random, 3, 6));
    for (const path of damaged) world.oracle.destroyed.add(basename(path));
    if (random() < 0.5) {
      // As after a new start: nothing of it is in memory.
      await world.killServer();
      await world.startServer();
    }
    await neverWrong(world);
    await world.repairServer();
    await neverWrong(world);
    if (random() < 0.5) await world.change(random);
    world.startDevice();
    world.faultOver();
    return damaged.length;
  },
};

/** I9: whatever is damaged, a version comes back as it was or not at all. */
async function neverWrong(world: World): Promise<void> {
  for (const { version, complete, sha256 } of world.oracle.receipts.values()) {
    if (!complete) continue;
    const found = await contentOf(world, version);
    if (found !== sha256 && /^[0-9a-f]{64}$/.test(found))
      throw new Violation(`version ${version} came back wrong: ${found}`);
  }
}

export const damagedDatabase: Fault = {
  name: 'damaged database of the device',
  goal: 50,
  destroys: true,
  async run(world, random) {
    const wanted = between(random, 1, 3);
    let damaged = 0;
    for (let time = 0; time < wanted; time++) {
      await world.change(random);
      world.proxy.set({ rate: 4_000_000 });
      const before = world.oracle.bodyBytes;
      world.startDevice();
      if (random() < 0.6) {
        await world.until(() => world.oracle.bodyBytes > before + random() * 1_000_000, 2_000);
        await world.killDevice();
      } else {
        await world.deviceEnds(20_000);
      }
      const files = filesBelow(world.state, (name) => name.startsWith('device.db') && !name.endsWith('-shm'));
      damaged += damageSome(world, random, files, 1).length;
      world.startDevice();
      world.faultOver();
      await world.deviceEnds(20_000);
    }
    return damaged;
  },
};

export const damagedCatalogue: Fault = {
  name: 'damaged catalogue of the server',
  goal: 50,
  destroys: true,
  async run(world, random) {
    await world.change(random);
    world.proxy.set({ rate: 4_000_000 });
    const before = world.oracle.bodyBytes;
    world.startDevice();
    if (random() < 0.6)
      await world.until(() => world.oracle.bodyBytes > before + random() * 1_000_000, 2_000);
    else await world.deviceEnds(20_000);
    await world.killServer();
    const files = filesBelow(world.data, (name) => name === 'catalogue.db' || name === 'catalogue.db-wal');
    const damaged = damageSome(
      world,
      random,
      files.filter((path) => statSync(path).size > 0),
      1,
    );
    // It may not come up, and must not give out anything wrong where it does; then the operator does what it is told.
    if (await world.tryStartServer()) {
      await neverWrong(world);
      await world.deviceEnds(random() * 1_000);
    }
    await world.killServer();
    await world.rebuildServer();
    await world.startServer();
    world.faultOver();
    return damaged.length;
  },
};
