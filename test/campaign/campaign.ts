// A campaign: worlds side by side, one fault after another done to each, healed and checked every time, until the goals are reached.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dropLibrary } from './calls.ts';
import { randomOf } from './chance.ts';
import { Checked, check } from './check.ts';
import type { Fault } from './fault.ts';
import type { Options } from './options.ts';
import { Violation } from './oracle.ts';
import { type Broken, Tally } from './tally.ts';
import { World, type WorldOptions } from './world.ts';

/** A world is checked whole and made anew after this many runs: its list of versions grows, and with it what a check takes. */
const RUNS_OF_A_WORLD = 60;
/** So much that is broken says enough. */
const MOST_BROKEN = 25;
/**
 * A smaller pack may go twice as a whole: where the device is cut off it may be unacknowledged (WINDOW_BYTES in
 * client/upload/tus-http-stack.ts), where the server loses power not yet on its disk (FIRST_SYNC_BYTES in
 * server/upload/write-body.ts). Both together are 2 MiB.
 */
const LEAST_TWICE = 2_621_440;

export interface Report {
  readonly tallies: readonly Tally[];
  readonly broken: readonly Broken[];
  readonly minutes: number;
}

/** What a world needs besides the fault. */
interface Place {
  readonly root: string;
  readonly checked: Checked;
  readonly world: World;
  runs: number;
}

/** Does one fault to a world, lets it heal and checks it. Throws a Violation; what it measured is in `tally` in any case. */
export async function oneRun(
  { world, checked }: Pick<Place, 'world' | 'checked'>,
  fault: Fault,
  { random, tally }: { random: () => number; tally: Tally },
): Promise<void> {
  const { oracle } = world;
  const before = { body: oracle.bodyBytes, packs: packBytes(world) };
  world.takeTimes();
  oracle.takeSentTwice(0);
  tally.runs++;
  const interruptions = await fault.run(world, random);
  tally.interruptions += interruptions;
  await world.settle();
  const { goesOn, heals } = world.takeTimes();
  tally.goesOn.push(...goesOn);
  tally.heals.push(...heals);
  tally.again += Math.max(0, oracle.bodyBytes - before.body - (packBytes(world) - before.packs));
  await check(world, { checked, random });
  const twice = oracle.takeSentTwice(LEAST_TWICE);
  if (!fault.destroys && twice.length > 0)
    throw new Violation(`packs were sent whole and begun again: ${twice.join(', ')}`);
}

function packBytes(world: World): number {
  let total = 0;
  for (const bytes of world.oracle.packs.values()) total += bytes;
  return total;
}

export class Campaign {
  readonly #options: Options;
  readonly #tallies: readonly Tally[];
  readonly #next = new Map<Tally, number>();
  readonly #broken: Broken[] = [];
  readonly #directory: string;
  readonly #say: (line: string) => void;
  readonly #stop: AbortSignal;
  readonly #startedAt = performance.now();

  constructor(
    faults: readonly Fault[],
    { options, say, stop }: { options: Options; say: (line: string) => void; stop: AbortSignal },
  ) {
    this.#options = options;
    this.#tallies = faults.map((fault) => new Tally(fault));
    for (const tally of this.#tallies) this.#next.set(tally, options.from);
    this.#directory = mkdtempSync(join(options.directory ?? tmpdir(), 'mailferry-campaign-'));
    this.#say = say;
    this.#stop = stop;
  }

  get #minutes(): number {
    return (performance.now() - this.#startedAt) / 60_000;
  }

  /** Runs until every goal is reached, the time is over or too much is broken. */
  async run(): Promise<Report> {
    const { worlds, patient } = this.#options;
    const lanes = [
      ...Array.from({ length: worlds }, (_, lane) => this.#lane(lane, false)),
      ...Array.from({ length: patient }, (_, lane) => this.#lane(worlds + lane, true)),
    ];
    await Promise.all(lanes);
    dropLibrary();
    // What broke stays, to be looked at.
    if (this.#broken.length === 0) rmSync(this.#directory, { recursive: true, force: true });
    return { tallies: this.#tallies, broken: this.#broken, minutes: this.#minutes };
  }

  /** The fault that is furthest from its goal; null: nothing is left to do. */
  #pick(waits: boolean): { tally: Tally; run: number } | null {
    const { minutes, from, runs } = this.#options;
    if (this.#stop.aborted || this.#minutes >= minutes || this.#broken.length >= MOST_BROKEN) return null;
    const open = this.#tallies.filter(
      (tally) =>
        (tally.fault.waits ?? false) === waits &&
        tally.interruptions < tally.fault.goal &&
        this.#next.get(tally)! - from < runs,
    );
    const share = (tally: Tally) => (tally.interruptions + tally.runs / 2) / tally.fault.goal;
    open.sort((a, b) => share(a) - share(b));
    const [tally] = open;
    if (!tally) return null;
    const run = this.#next.get(tally)!;
    this.#next.set(tally, run + 1);
    return { tally, run };
  }

  async #lane(lane: number, waits: boolean): Promise<void> {
    let place: Place | null = null;
    for (let made = 0; ; ) {
      const next = this.#pick(waits);
      if (!next) break;
      const { tally, run } = next;
      const { name } = tally.fault;
      const random = randomOf(this.#options.seed, name, run);
      const startedAt = performance.now();
      try {
        place ??= await this.#place(lane, made++);
        place.world.oracle.note('run', { fault: name, run });
        await oneRun(place, tally.fault, { random, tally });
        if (++place.runs >= RUNS_OF_A_WORLD || tally.fault.spends) {
          await this.#close(place);
          place = null;
        }
      } catch (error) {
        tally.violations++;
        await this.#breaks(place, { fault: name, run, error });
        place = null;
      } finally {
        tally.seconds += (performance.now() - startedAt) / 1_000;
      }
    }
    if (place) await this.#closeLast(place);
  }

  async #place(lane: number, made: number): Promise<Place> {
    const root = join(this.#directory, `world-${lane}-${made}`);
    const random = randomOf(this.#options.seed, 'world', lane, made);
    const options: WorldOptions = { databases: (lane + made) % 2 === 0 ? 'ext4' : 'xfs' };
    return { root, runs: 0, checked: new Checked(), world: await World.create(root, options, random) };
  }

  /** Everything ever promised in a world, once more, before it goes. */
  async #close({ world, checked }: Place): Promise<void> {
    await check(world, { checked, random: () => 0, all: true });
    await world.destroy();
  }

  async #closeLast(place: Place): Promise<void> {
    try {
      await this.#close(place);
    } catch (error) {
      await this.#breaks(place, { fault: 'last check', run: 0, error });
    }
  }

  async #breaks(
    place: Place | null,
    { fault, run, error }: { fault: string; run: number; error: unknown },
  ): Promise<void> {
    const message = error instanceof Violation ? error.message : `broke: ${(error as Error).stack ?? error}`;
    const evidence = place?.root ?? this.#directory;
    const replay = `npm run campaign -- --seed ${this.#options.seed} --only '${fault}' --from ${run} --runs 1`;
    this.#broken.push({ fault, run, message, evidence });
    this.#say(`VIOLATION: ${fault}, run ${run}: ${message}\n  replay: ${replay}\n  evidence: ${evidence}`);
    if (!place) return;
    writeFileSync(join(place.root, 'violation.txt'), `${fault}, run ${run}\n${message}\n${replay}\n`);
    await place.world.destroy({ keep: true }).catch((left) => this.#say(String(left)));
  }
}
