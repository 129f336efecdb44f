// One run: looks at every source, snapshots only the volumes where something changed, takes the backups, and sends them.
import { asFailure, type Failure, type FailureCode } from '../shared/failure.ts';
import type { Device } from './device.ts';
import { freezerOf, type SnapshotChoice } from './freezer.ts';
import { forgetDamagedBases } from './heal-base.ts';
import { Packer } from './pack/packer.ts';
import { InlineHash, type SlotHash, WorkerHash } from './scan/whole-hash.ts';
import { sealCheckpoint } from './seal-checkpoint.ts';
import type { Sender } from './sender.ts';
import { type SnapshotProvider, type Volume, withSnapshot } from './snapshot.ts';
import type { Source } from './source-registry.ts';
import { currentMark, takeBackup, type Workshop } from './take-backup.ts';

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
  readonly failed: readonly RunFailure[];
}

/** Sources this small are hashed where they are read: starting a worker would cost more. */
const INLINE_BYTES = 33_554_432;
/** A source that keeps failing in a way that trying again should mend is left to the next run after this many rounds. */
const ROUNDS_WITHOUT_PROGRESS = 3;

/** Brings what an earlier process left half done to a state that can go on. Call once, before anything else. */
export async function recover(device: Device): Promise<void> {
  const { queue, sources, staging } = device;
  for (const backup of queue.active()) if (backup.state === 'scanning') await sealCheckpoint(device, backup);
  const active = queue.active();
  const files = [
    ...sources.all().map(({ base }) => base?.file),
    ...active.map((backup) => backup.fingerprint_file),
  ];
  await staging.sweep(
    new Set(active.map((backup) => backup.id)),
    new Set(files.filter((file) => file !== undefined && file !== null)),
  );
}

/** Runs until every source given has a receipt for its state, is unchanged, or failed. `wait` false: until all is queued. */
export async function runBackup(
  device: Device,
  sender: Sender,
  options: { sources: readonly Source[]; snapshot: SnapshotChoice; wait: boolean },
): Promise<RunResult> {
  const result = {
    versions: [] as string[],
    unchanged: 0,
    snapshots: 0,
    failed: new Map<string, RunFailure>(),
  };
  const shop = new RunWorkshop(sender);
  await forgetDamagedBases(device);
  try {
    let left: readonly Source[] = options.sources.map(({ id }) => device.sources.get(id));
    for (let round = 1; left.length > 0 && !device.stop.aborted; round++) {
      // What an earlier run queued goes first: a source has one backup on its way at a time.
      if (options.wait) await sender.idle();
      const again = await oneRound(device, { ...options, sources: left, shop, result });
      if (options.wait) await sender.idle();
      left = options.wait ? settle(device, again, { result, last: round >= ROUNDS_WITHOUT_PROGRESS }) : [];
    }
  } finally {
    await shop.close();
  }
  return { ...result, failed: [...result.failed.values()] };
}

interface Attempt {
  readonly source: Source;
  readonly backup: string | null;
  readonly complete: boolean;
}

/** Sorts what a round attempted into what is done and what needs another round. */
function settle(
  device: Device,
  attempts: readonly Attempt[],
  { result, last }: { result: { versions: string[]; failed: Map<string, RunFailure> }; last: boolean },
): Source[] {
  const again: Source[] = [];
  for (const { source, backup, complete } of attempts) {
    const state = backup ? device.queue.backup(backup)?.state : undefined;
    const now = device.sources.get(source.id);
    if (backup && state === 'receipted') {
      result.failed.delete(source.path);
      if (complete) result.versions.push(backup);
      // A checkpoint: the rest of the source follows.
      else again.push(now);
    } else if (!device.stop.aborted) {
      const failure = now.lastFailure;
      if (!last) again.push(now);
      else if (failure && !result.failed.has(source.path)) {
        result.failed.set(source.path, {
          path: source.path,
          code: failure.code as FailureCode,
          message: failure.message,
        });
      }
    }
  }
  return again;
}

interface Round {
  readonly sources: readonly Source[];
  readonly snapshot: SnapshotChoice;
  readonly shop: Workshop;
  readonly result: { unchanged: number; snapshots: number; failed: Map<string, RunFailure> };
}

async function oneRound(device: Device, { sources, snapshot, shop, result }: Round): Promise<Attempt[]> {
  const attempts: Attempt[] = [];
  const fail = (source: Source, error: unknown) => {
    const failure = asFailure(error);
    device.sources.failed(source.id, failure.code, failure.message);
    result.failed.set(source.path, { path: source.path, code: failure.code, message: failure.message });
    if (failure.retry === 'now') attempts.push({ source, backup: null, complete: false });
  };
  const busy = new Set(device.queue.active().map((backup) => backup.source_id));
  for (const group of await groups(device, sources, {
    snapshot,
    fail,
    busy,
    onUnchanged: () => result.unchanged++,
  })) {
    if (device.stop.aborted) break;
    if (group.provider.kind !== 'live') result.snapshots++;
    try {
      await withSnapshot(group.provider, group.volume, withLeftTold(device), async (frozen) => {
        for (const source of group.sources) {
          if (device.stop.aborted) return;
          try {
            const taken = await takeBackup(device, device.sources.get(source.id), frozen, shop);
            if (taken.outcome === 'unchanged') result.unchanged++;
            else attempts.push({ source, backup: taken.backup, complete: taken.complete });
          } catch (error) {
            fail(source, await frozen.judge(asFailure(error)));
          }
          shop.notify();
        }
      });
    } catch (error) {
      const missed = group.sources.filter(
        (source) => !attempts.some((attempt) => attempt.source.id === source.id),
      );
      for (const source of missed) fail(source, error);
    }
  }
  return attempts;
}

/** The device with a way to tell of snapshots that could not be removed. */
function withLeftTold(device: Device): Device & { onLeft: (failure: Failure) => void } {
  return { ...device, onLeft: (failure) => device.progress.say(failure.message) };
}

interface Group {
  readonly provider: SnapshotProvider;
  readonly volume: Volume;
  readonly sources: Source[];
}

/** The sources that changed, by the volume to freeze for them. */
async function groups(
  device: Device,
  sources: readonly Source[],
  options: {
    snapshot: SnapshotChoice;
    fail: (source: Source, error: unknown) => void;
    onUnchanged: () => void;
    busy: ReadonlySet<number>;
  },
): Promise<Group[]> {
  const found = new Map<string, Group>();
  for (const source of sources) {
    if (options.busy.has(source.id)) continue;
    try {
      if ((await lookLive(source.path)) === source.mark && source.mark !== null) {
        options.onUnchanged();
        continue;
      }
      const freezer = await freezerOf(device.snapshots, source.path, options.snapshot);
      const { provider, volume, instead } = freezer;
      if (instead) device.progress.say(instead);
      const key = `${provider.kind} ${volume.root}`;
      const group = found.get(key) ?? { provider, volume, sources: [] };
      group.sources.push(source);
      found.set(key, group);
    } catch (error) {
      options.fail(source, error);
    }
  }
  return [...found.values()];
}

/** The mark of the live file; null where it is locked, which only a snapshot gets around. */
async function lookLive(path: string): Promise<string | null> {
  try {
    return await currentMark(path);
  } catch (error) {
    if (asFailure(error).code === 'source_missing') throw error;
    return null;
  }
}

/** The workers of a run, started when they are first needed. */
class RunWorkshop implements Workshop {
  readonly #sender: Sender;
  #packer: Packer | undefined;
  #worker: WorkerHash | undefined;
  readonly #inline = new InlineHash();

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  packer(): Packer {
    this.#packer ??= new Packer();
    return this.#packer;
  }

  hash(size: number): SlotHash {
    if (size < INLINE_BYTES) return this.#inline;
    this.#worker ??= new WorkerHash();
    return this.#worker;
  }

  notify(): void {
    this.#sender.notify();
  }

  async close(): Promise<void> {
    await this.#packer?.close();
    await this.#worker?.close();
  }
}
