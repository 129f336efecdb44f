// The part of the campaign that fits into a test run: every kind of fault a little, and proof that the campaign would see a mistake.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { named } from '../support/programs.ts';
import { Campaign } from './campaign.ts';
import { randomOf } from './chance.ts';
import { Checked, check, promisesKept } from './check.ts';
import { FAULTS } from './faults/all.ts';
import { damageFile } from './faults/damage.ts';
import { atPromise } from './faults/power-cuts.ts';
import { lacksCampaign } from './needs.ts';
import { parseOptions } from './options.ts';
import { Violation } from './oracle.ts';
import { World, type WorldOptions } from './world.ts';

const lacking = lacksCampaign();
/** A frozen line has to be noticed within 30 s, and then the rest is sent. */
const NOTICE_MS = 60_000;
/** The true build has to hold each time. */
const CUTS = 3;
/** A sabotaged one has to be caught once: what the kernel happened to save, a start may heal (server/healing). */
const SABOTAGED_CUTS = 8;

/** Something happens to a world; it throws a Violation where a promise is broken afterwards. */
type Scenario = (world: World) => Promise<void>;

const random = () => randomOf('slice', 'scenario', 0);

async function healsAndHolds(world: World): Promise<void> {
  await world.settle(NOTICE_MS);
  await check(world, { checked: new Checked(), random: random() });
}

/**
 * The power goes in the moment in which a promise has passed and before anything else can happen, several times: the kernel writes
 * back by a clock of its own (dirty_writeback_centisecs, 5 s), and once in a while that comes between and saves what nobody synced.
 */
function cutBehind(method: 'PATCH' | 'PUT', cuts = CUTS): Scenario {
  return async (world) => {
    const chance = random();
    for (let cut = 0; cut < cuts; cut++) {
      await world.change(chance, 200);
      const promised = atPromise(world, (exchange) => exchange.method === method);
      world.startDevice();
      await promised;
      await world.cutPower('server');
      await world.startServerUnheard(() => promisesKept(world));
      await healsAndHolds(world);
    }
  };
}

const killBehindReceipt: Scenario = async (world) => {
  await world.change(random(), 200);
  const promised = atPromise(world, (exchange) => exchange.method === 'PUT');
  world.startDevice();
  await promised;
  await world.killServer();
  world.proxy.reset();
  await world.startServerUnheard(() => promisesKept(world));
  await healsAndHolds(world);
};

const damageInStaging: Scenario = async (world) => {
  await world.change(random(), 300);
  world.proxy.set({ down: true });
  await world.queueOnly();
  const packs = readdirSync(join(world.state, 'staging'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  expect(packs).not.toEqual([]);
  // In the middle of the bytes, where no header or index is.
  for (const path of packs) damageFile(path, () => 0.5, 'flip');
  const before = world.oracle.packs.size;
  world.proxy.set({});
  world.startDevice();
  await world.until(() => world.oracle.packs.size > before, NOTICE_MS);
  await promisesKept(world);
  await healsAndHolds(world);
};

const blackHole: Scenario = async (world) => {
  await world.change(random(), 600);
  world.proxy.set({ rate: 2_000_000 });
  const before = world.oracle.bodyBytes;
  world.startDevice();
  expect(await world.until(() => world.oracle.bodyBytes > before, 20_000)).toBe(true);
  world.proxy.freeze();
  await world.until(() => false, 500);
  world.proxy.thaw();
  await healsAndHolds(world);
};

/** Which promise each build breaks: that it does not work at all would prove nothing. */
const SABOTAGED: readonly {
  build: string;
  side: 'device' | 'server';
  scenario: Scenario;
  broken: RegExp;
}[] = [
  {
    build: 'file-fsync-off',
    side: 'server',
    scenario: cutBehind('PATCH', SABOTAGED_CUTS),
    broken: /pack .* was answered for/,
  },
  {
    build: 'directory-fsync-off',
    side: 'server',
    scenario: cutBehind('PATCH', SABOTAGED_CUTS),
    broken: /pack .* was answered for/,
  },
  {
    // A receipt would come back: a version lies in the vault as well, and a start brings in what the catalogue lost.
    build: 'wal-at-normal',
    side: 'server',
    scenario: cutBehind('PATCH', SABOTAGED_CUTS),
    broken: /pack .* was answered for and is not known any more/,
  },
  {
    build: 'acknowledge-before-commit',
    side: 'server',
    scenario: killBehindReceipt,
    broken: /receipt .* was given, and its version .* is gone/,
  },
  {
    build: 'no-hash-check',
    side: 'server',
    scenario: damageInStaging,
    broken: /pack .* was answered for/,
  },
  {
    build: 'no-stall-watchdog',
    side: 'device',
    scenario: blackHole,
    broken: /not healed .* the device still ran/,
  },
];
const SCENARIOS = [
  { name: 'a power cut behind the last byte of a pack', scenario: cutBehind('PATCH') },
  { name: 'a power cut behind a receipt', scenario: cutBehind('PUT') },
  { name: 'kill -9 behind a receipt', scenario: killBehindReceipt },
  { name: 'a flipped bit in staging', scenario: damageInStaging },
  { name: 'a black hole', scenario: blackHole },
];

/** What a scenario does to a world of its own: the Violation it ended with, or null. */
async function outcome(options: WorldOptions, scenario: Scenario): Promise<Violation | null> {
  const root = mkdtempSync(join(tmpdir(), 'mailferry-slice-'));
  const world = await World.create(join(root, 'world'), options, random());
  try {
    await scenario(world);
    return null;
  } catch (error) {
    if (error instanceof Violation) return error;
    throw error;
  } finally {
    await world.destroy();
    rmSync(root, { recursive: true, force: true });
  }
}

describe.concurrent('a sabotaged build is caught', () => {
  for (const { build, side, scenario, broken } of SABOTAGED) {
    const imports = [`test/campaign/sabotage/${build}.js`];
    test.skipIf(lacking)(
      named(build, lacking),
      async ({ expect }) => {
        const sabotaged = side === 'server' ? { serverImports: imports } : { deviceImports: imports };
        expect((await outcome({ databases: 'ext4', ...sabotaged }, scenario))?.message).toMatch(broken);
      },
      180_000,
    );
  }
});

describe.concurrent('the true build holds', () => {
  for (const databases of ['ext4', 'xfs'] as const) {
    for (const { name, scenario } of SCENARIOS) {
      test.skipIf(lacking)(
        named(`${name}, databases on ${databases}`, lacking),
        async ({ expect }) => {
          expect(await outcome({ databases }, scenario)).toBeNull();
        },
        180_000,
      );
    }
  }
});

describe('every kind of fault', () => {
  test.skipIf(lacking)(
    named('a little of each: nothing promised is lost', lacking),
    async ({ expect }) => {
      const options = parseOptions(['--runs', '1', '--patient', '3'], 'slice');
      const said: string[] = [];
      const stop = new AbortController().signal;
      const campaign = new Campaign(FAULTS, { options, say: (line) => said.push(line), stop });
      const { tallies, broken } = await campaign.run();
      expect(said).toEqual([]);
      expect(broken).toEqual([]);
      for (const { fault, runs } of tallies) expect(runs, fault.name).toBe(1);
    },
    300_000,
  );
});

test.skipIf(lacking)(
  named('volumes are gone when a world is', lacking),
  async () => {
    const root = mkdtempSync(join(tmpdir(), 'mailferry-slice-'));
    const world = await World.create(join(root, 'world'), { databases: 'xfs' }, random());
    const here = statSync(root).dev;
    expect(statSync(world.data).dev).not.toBe(here);
    await world.destroy();
    expect(readdirSync(root)).toEqual([]);
    rmSync(root, { recursive: true });
  },
  60_000,
);
