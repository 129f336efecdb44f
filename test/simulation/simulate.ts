// One simulation: what goes wrong goes wrong, then everything is well again, and everything must come right by itself.
import { giveBack } from './live-db.ts';
import { Violation } from './oracle.ts';
import type { Sabotage } from './sabotage.ts';
import { World } from './world.ts';

/** Steps in which a device whose world is well again comes to rest: several times what the longest needed. */
const STEPS_TO_REST = 6_000;
/** Steps before the world is made well, whatever is still to go wrong. */
const STEPS_OF_TROUBLE = 4_000;

export interface Outcome {
  readonly seed: number;
  /** What was broken; null: nothing. */
  readonly violation: string | null;
  readonly trace: readonly string[];
  readonly steps: number;
  /** Events of backups and packs that came up. */
  readonly met: readonly string[];
}

export async function simulate(seed: number, sabotage: Sabotage = {}): Promise<Outcome> {
  const world = new World(seed, sabotage);
  const outcome = (violation: string | null): Outcome => ({
    seed,
    violation,
    trace: world.lines,
    steps: world.scheduler.steps,
    met: world.met,
  });
  // Node would end the process of a device for it.
  const unhandled = (error: unknown) => world.broke(error);
  process.on('unhandledRejection', unhandled);
  try {
    await live(world);
    return outcome(null);
  } catch (error) {
    const broken = error instanceof Violation ? error.message : `${(error as Error).stack ?? error}`;
    world.trace(`VIOLATION ${broken}`);
    return outcome(broken);
  } finally {
    process.off('unhandledRejection', unhandled);
    giveBack(world.db);
  }
}

async function live(world: World): Promise<void> {
  world.begin();
  for (let steps = 0; !world.quiet && steps < STEPS_OF_TROUBLE; steps++) await step(world);
  world.heal();
  for (let steps = 0; !world.settled; steps++) {
    if (steps > STEPS_TO_REST) throw new Violation('the device does not come to rest');
    await step(world);
  }
  world.trace('at rest');
  await stopped(world);
  // The next start sweeps what an earlier death left.
  while (!world.lines.at(-1)?.endsWith('recovered')) await step(world);
  world.oracle.check(world.db);
  world.oracle.checkEmpty(world.db);
  await stopped(world);
}

async function stopped(world: World): Promise<void> {
  world.stop();
  while (world.running) await step(world);
}

async function step(world: World): Promise<void> {
  if (!(await world.scheduler.step())) throw new Violation('nothing is left to happen');
  world.afterStep();
}
