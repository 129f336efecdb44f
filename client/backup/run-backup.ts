// One run: looks at every source, snapshots only the volumes where something changed, takes the backups, and sends them.
import { Failure, type FailureCode, isFailureCode } from '../../shared/failure.ts';
import type { Device } from '../device.ts';
import { deviceFailure, isStateDamage } from '../device-failure.ts';
import { forgetDamagedBases } from '../healing/heal-base.ts';
import { settleScans } from '../healing/recover.ts';
import { pause } from '../pause.ts';
import { DEFAULTS } from '../settings/defaults.ts';
import type { SnapshotChoice } from '../snapshot/freezer.ts';
import { SnapshotPool } from '../snapshot/snapshot-pool.ts';
import type { Source } from '../state/source-registry.ts';
import { backoffMs } from '../upload/backoff.ts';
import { needsPerson } from '../upload/send-plan.ts';
import type { Sender } from '../upload/sender.ts';
import { changedSources } from './changed-sources.ts';
import { goneStep } from './protection.ts';
import type { Workshop } from './take-backup.ts';
import { takeGroup } from './take-group.ts';
import { RunWorkshop } from './workshop.ts';

export interface RunFailure {
  readonly path: string;
  readonly code: FailureCode;
  readonly message: string;
}

export interface RunResult {
  /** Versions that got their receipt, by id. */
  readonly versions: readonly string[];
  readonly unchanged: number;
  readonly snapshots: number;
  /** Paths that were read live, where a snapshot was preferred. */
  readonly live: readonly string[];
  readonly failed: readonly RunFailure[];
  /** Sources that are gone for good, as was told before: no failures. */
  readonly gone: readonly string[];
}

export interface RunOptions {
  readonly sources: readonly Source[];
  readonly snapshot: SnapshotChoice;
  /** Until every source has a receipt for its state, is unchanged, or failed; otherwise until all that can be is queued. */
  readonly wait: boolean;
  /** Whether a person named the sources: that one is gone is told each time. */
  readonly typed?: boolean;
  /** The setting. */
  readonly goneDays?: number;
  /** Whether stores on shares are read live, whatever `snapshot` says: they can't be frozen. */
  readonly networkLive?: boolean;
  /** What packs are made with, closed at the end; threads of its own unless given. */
  readonly workshop?: Workshop & { close(): Promise<void> };
}

/** Between two notes that a source was found unchanged. */
const NOTE_MS = 3_600_000;

function isCheckDue({ checkedAt, lastReceiptAt }: Source, now: number): boolean {
  const last = Math.max(...[checkedAt, lastReceiptAt].map((at) => (at === null ? 0 : Date.parse(at))));
  return Math.abs(now - last) > NOTE_MS;
}

/** A source that does not come forward in this many rounds is left to the next run. */
const FRUITLESS_ROUNDS = 3;
/**
 * Before a source is read live again that changed while it was read: a program that writes in bursts rests between two of them. The
 * next tries are those of the next run.
 */
const SETTLE_MS = [4_000, 15_000];
/** Failures of the line: waited for, however long it takes. */
const LINE_CODES: ReadonlySet<FailureCode> = new Set([
  'unreachable',
  'tls_untrusted',
  'tls_failed',
  'proxy_failed',
  'stalled',
  'busy',
  'too_many',
  'server_full',
]);

/** Runs as the options say. Never rejects for what is wrong with a single source; a Failure `state_damaged` ends it. */
export async function runBackup(device: Device, sender: Sender, options: RunOptions): Promise<RunResult> {
  const run = new Run(device, sender, options);
  await forgetDamagedBases(device);
  return options.wait ? run.untilReceipts() : run.untilQueued();
}

/** What became of a source in a round. */
interface Attempt {
  readonly source: Source;
  readonly backup?: string;
  readonly failure?: Failure;
  /** It was on its way before: what the source is now has still to be looked at. */
  readonly earlier?: boolean;
}

function sourceOf({ source }: Attempt): Source {
  return source;
}

class Run {
  readonly #device: Device;
  readonly #sender: Sender;
  readonly #options: RunOptions;
  readonly #shop: Workshop & { close(): Promise<void> };
  readonly #snapshots: SnapshotPool;
  readonly #versions: string[] = [];
  readonly #failed = new Map<string, RunFailure>();
  readonly #live = new Set<string>();
  readonly #gone = new Set<string>();
  #unchanged = 0;
  /** Rounds in which a source did not come forward, by its id. */
  readonly #fruitless = new Map<number, number>();

  /** Sources that changed while they were read in their last round. */
  readonly #changing = new Set<number>();

  constructor(device: Device, sender: Sender, options: RunOptions) {
    this.#device = device;
    this.#sender = sender;
    this.#options = options;
    this.#shop = options.workshop ?? new RunWorkshop(sender);
    this.#snapshots = new SnapshotPool({
      journal: device.journal,
      now: device.now,
      onLeft: (failure) => device.progress.say(failure.message),
    });
  }

  async untilQueued(): Promise<RunResult> {
    try {
      let left = this.#options.sources;
      // What failed for a reason that is mended by now, such as a snapshot that went away, is read again at once.
      for (let round = 1; left.length > 0 && round <= FRUITLESS_ROUNDS; round++) {
        const attempts = await this.#round(left);
        left = attempts.filter(({ backup, failure }) => !backup && failure?.retry === 'now').map(sourceOf);
      }
      return this.#result();
    } finally {
      await this.#snapshots.close();
      await this.#shop.close();
    }
  }

  async untilReceipts(): Promise<RunResult> {
    const { stop, chance } = this.#device;
    try {
      // What an earlier run queued goes first.
      await this.#sender.idle();
      let left = this.#options.sources;
      for (let offline = 0; left.length > 0 && !stop.aborted; ) {
        const attempts = await this.#round(left);
        await this.#sender.idle();
        left = this.#settle(attempts);
        const noLine = attempts.some(({ failure }) => failure && LINE_CODES.has(failure.code));
        offline = noLine ? offline + 1 : 0;
        if (noLine && left.length > 0) await pause(backoffMs(offline - 1, chance()), stop);
        else if (left.some(({ id }) => this.#changing.has(id))) await pause(this.#settleMs(), stop);
      }
      return this.#result();
    } finally {
      await this.#snapshots.close();
      await this.#shop.close();
    }
  }

  #result(): RunResult {
    return {
      versions: this.#versions,
      unchanged: this.#unchanged,
      snapshots: this.#snapshots.made,
      live: [...this.#live],
      failed: [...this.#failed.values()],
      gone: [...this.#gone],
    };
  }

  #fail(source: Source, failure: Failure | RunFailure): void {
    const { code, message } = failure;
    this.#failed.set(source.path, { path: source.path, code, message });
  }

  /** Looks at the sources once and takes the backups that are due. */
  async #round(sources: readonly Source[]): Promise<Attempt[]> {
    const device = this.#device;
    const attempts: Attempt[] = [];
    const fail = (source: Source, error: unknown) => {
      if (isStateDamage(error)) throw error;
      const failure = this.#missing(source, deviceFailure(error));
      if (failure === null) return;
      this.#record(source, failure);
      this.#fail(source, failure);
      attempts.push({ source, failure });
    };
    const { snapshot, networkLive = false } = this.#options;
    await this.#settleScans();
    const { groups, unchanged, lists, waiting } = await changedSources(device, sources, {
      snapshot,
      networkLive,
      fail,
    });
    this.#unchanged += unchanged.length;
    const checked = [...unchanged, ...lists];
    for (const source of waiting) {
      const [first] = device.queue.activeOf(source.id);
      if (first) attempts.push({ source, backup: first.id, earlier: true });
    }
    for (const group of groups) {
      if (device.stop.aborted) break;
      await takeGroup(group, {
        device,
        snapshots: this.#snapshots,
        shop: this.#shop,
        prefer: snapshot === 'prefer',
        taken: (source, taken, kind) => {
          if (kind === 'live' && snapshot === 'prefer') this.#live.add(source.path);
          if (taken.outcome !== 'cut-short') this.#failed.delete(source.path);
          else if (taken.failure.code === 'source_changed') {
            this.#record(source, taken.failure);
            this.#fail(source, taken.failure);
          }
          if (taken.outcome === 'unchanged') {
            this.#unchanged++;
            checked.push(source);
          } else attempts.push({ source, ...taken });
        },
        failed: fail,
      });
    }
    this.#checked(checked);
    return attempts;
  }

  /**
   * `failure`, noted where it is that a source is missing; with other words in the run that tells that it is gone for good, and null
   * where that was told before.
   */
  #missing(source: Source, failure: Failure): Failure | null {
    const { sources, now } = this.#device;
    if (failure.code !== 'source_missing') return failure;
    const at = now();
    sources.missing(source.id, new Date(at).toISOString());
    const known = sources.get(source.id);
    const { typed = false, goneDays = DEFAULTS.goneDays } = this.#options;
    const step = goneStep(known, { goneDays, now: at });
    if (typed || step === 'missing') return failure;
    if (step === 'gone') {
      this.#gone.add(source.path);
      return null;
    }
    sources.goneWasTold(source.id);
    const since = known.goneSince!.slice(0, 10);
    return new Failure(
      'source_missing',
      `${source.path} has not been there since ${since} and counts as gone from now on; its versions stay on the server.`,
    );
  }

  /** Notes that sources are as their receipts say: not at every look, since each note is a write that has to reach the disk. */
  #checked(found: readonly Source[]): void {
    const { sources, now } = this.#device;
    const at = now();
    const due = found
      .map(({ id }) => sources.get(id))
      .filter((source) => source.lastFailure || source.goneSince || isCheckDue(source, at));
    if (due.length > 0)
      sources.unchanged(
        due.map(({ id }) => id),
        new Date(at).toISOString(),
      );
  }

  /** Where the disk does not take even that, the result of the run tells it. */
  #record(source: Source, { code, message }: Failure): void {
    try {
      this.#device.sources.failed(source.id, code, message);
    } catch (error) {
      if (isStateDamage(error)) throw error;
    }
  }

  /** Nothing is read between two rounds. What the disk still does not take is told, and left to the next: its source waits. */
  async #settleScans(): Promise<void> {
    try {
      await settleScans(this.#device);
    } catch (error) {
      if (isStateDamage(error)) throw error;
      this.#device.progress.say(deviceFailure(error).message);
    }
  }

  /** Records what a round came to, after the queue came to rest; the sources that need another one. */
  #settle(attempts: readonly Attempt[]): Source[] {
    const { queue, sources, stop } = this.#device;
    if (stop.aborted) return [];
    const again: Source[] = [];
    for (const { source, backup, failure, earlier } of attempts) {
      const row = backup ? queue.backup(backup) : undefined;
      const receipted = row?.state === 'receipted';
      if (receipted && row.complete === 1 && !earlier) {
        this.#failed.delete(source.path);
        this.#versions.push(row.id);
        continue;
      }
      const now = sources.get(source.id);
      const code = row && [row, ...queue.packsOf(row.id)].find(needsPerson)?.failure;
      if (code) {
        this.#fail(source, { path: source.path, code: code as FailureCode, message: messageOf(now) });
      } else if (this.#comesForward(source, { receipted, failure })) {
        again.push(now);
      } else {
        // It has no receipt, and nothing more is tried: that is never told as done.
        const why = now.lastFailure?.code;
        const told = isFailureCode(why) ? why : 'internal';
        this.#fail(source, failure ?? { path: source.path, code: told, message: messageOf(now) });
      }
    }
    return again;
  }

  /** How long to wait for the sources that changed while they were read: longer with each round. */
  #settleMs(): number {
    const rounds = Math.max(...[...this.#changing].map((id) => this.#fruitless.get(id) ?? 1));
    return SETTLE_MS[Math.min(rounds, SETTLE_MS.length) - 1]!;
  }

  /** Whether another round may help a source, given how this one ended for it. */
  #comesForward(
    source: Source,
    { receipted, failure }: { receipted: boolean; failure: Failure | undefined },
  ): boolean {
    // A checkpoint for want of room, here or in its commit: the rest follows now that there is some.
    if (receipted && (!failure || failure.code === 'staging_full' || failure.code === 'too_large'))
      return true;
    if (failure && LINE_CODES.has(failure.code)) return true;
    const changing = failure?.code === 'source_changed';
    if (changing) this.#changing.add(source.id);
    else this.#changing.delete(source.id);
    if (failure && failure.retry !== 'now' && !receipted && failure.code !== 'staging_full' && !changing)
      return false;
    const rounds = (this.#fruitless.get(source.id) ?? 0) + 1;
    this.#fruitless.set(source.id, rounds);
    return rounds < FRUITLESS_ROUNDS;
  }
}

function messageOf({ lastFailure, path }: Source): string {
  return lastFailure?.message ?? `${path} could not be backed up.`;
}
