// The sender: empties the queue, pack after pack and commit after commit, for as long as it takes; every wait is in the database.
import PQueue from 'p-queue';
import type { Failure } from '../../shared/failure.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { abandon, sealCheckpoint } from '../backup/seal-checkpoint.ts';
import type { Device } from '../device.ts';
import { deviceFailure, isStateDamage } from '../device-failure.ts';
import type { Backup, WaitingPack } from '../state/queue-rows.ts';
import { SendFailures } from './send-failures.ts';
import { packKey, sendPlan } from './send-plan.ts';
import { SendProgress } from './send-progress.ts';

/** Packs whose bytes are on the wire at a time: what a cut connection or a killed process can cost is a window of each. */
const ON_THE_WIRE = 2;
/** Packs and commits under way, with those that the server has all bytes of and is checking: it need not wait for the next. */
const AT_ONCE = 4;
/** Before a task is tried again whose failure could not even be recorded. */
const UNRECORDED_MS = 5_000;
/** The queue is looked at no later than this, whatever the clock that waits are counted by does. */
const LOOK_AGAIN_MS = 60_000;

// Loaded when there is something to send: mostly there is not.
const loadUpload = () => import('./upload-pack.ts');
const loadCommit = () => import('../backup/commit-version.ts');

/** A version that has its receipt. */
export interface Receipted {
  readonly version: VersionSummary;
  readonly sourceId: number;
  /** Bytes that crossed the line for it: packs that the server did not hold yet, and the list of what changed. */
  readonly sent: number;
}

export interface SenderEvents {
  readonly onReceipt?: (receipted: Receipted) => void;
  /** A backup was given up, or cut to what is left of it: its source is to be read again. */
  readonly onReadAgain?: (sourceId: number) => void;
  /** The database is damaged: nothing is sent any more until it was opened anew. */
  readonly onBroken?: () => void;
}

interface UnderWay {
  /** Ends it at once. */
  readonly attempt: AbortController;
  /** The server has all bytes of the pack, and only its answer is outstanding. */
  arrived: boolean;
}

export class Sender {
  readonly #device: Device;
  readonly #events: SenderEvents;
  readonly #work = new PQueue({ concurrency: AT_ONCE });
  /** What is being done. */
  readonly #busy = new Map<string, UnderWay>();
  readonly #progress: SendProgress;
  /** Bytes that the server has of change lists under way, by backup. */
  readonly #lists = new Map<string, number>();
  readonly #failures: SendFailures;
  #timer: NodeJS.Timeout | undefined;
  /** The database can't be used any more: nothing can go on. */
  #broken: Failure | undefined;
  readonly #stop = new AbortController();
  readonly #endSigns: () => void;
  #waiters: { resolve: () => void; reject: (failure: Failure) => void }[] = [];

  constructor(device: Device, events: SenderEvents = {}) {
    this.#device = device;
    this.#events = events;
    this.#progress = new SendProgress(device);
    this.#failures = new SendFailures(device, (sourceId) => events.onReadAgain?.(sourceId));
    this.#endSigns = device.line.onSign(() => this.#startOver());
    // Let go with the sender: an agent that opens its state anew has many of them for one stop.
    const { signal } = this.#stop;
    device.stop.addEventListener('abort', () => this.#stop.abort(), { once: true, signal });
    signal.addEventListener('abort', () => this.notify(), { once: true });
    if (device.stop.aborted) this.#stop.abort();
  }

  /** Ends what is under way where it can go on later, and waits for that. */
  async close(): Promise<void> {
    this.#endSigns();
    this.#stop.abort();
    for (const { attempt } of this.#busy.values()) attempt.abort();
    await this.idle().catch(() => {});
    clearTimeout(this.#timer);
  }

  /** There will be something to send: loads what that takes, of which a run that finds nothing changed needs nothing. */
  prepare(): void {
    for (const part of [loadUpload(), loadCommit()]) part.catch(() => {});
  }

  /** Looks at the queue and starts what is due. Called whenever something may have changed; cheap. */
  notify(): void {
    clearTimeout(this.#timer);
    try {
      this.#look();
    } catch (error) {
      if (isStateDamage(error)) this.#break(deviceFailure(error));
      else this.#lookLater(UNRECORDED_MS);
    }
    if (!this.#broken) return;
    for (const { reject } of this.#waiters.splice(0)) reject(this.#broken);
  }

  #look(): void {
    if (this.#broken) return;
    const stopped = this.#stop.signal.aborted;
    // After close() the database may be gone.
    const plan = stopped ? null : this.#plan();
    if (plan) {
      // Receipts first: they free staging. No more is started than is worked on, however much waits.
      for (const backup of plan.cut) this.#start(backup.id, () => this.#cut(backup));
      for (const backup of plan.commit) this.#start(backup.id, (signal) => this.#commit(backup, signal));
      for (const pack of plan.send) this.#start(packKey(pack), (signal) => this.#send(pack, signal));
      if (plan.wakeAt !== null) this.#lookLater(plan.wakeAt - this.#device.now());
    }
    if (plan ? plan.idle : this.#busy.size === 0)
      for (const { resolve } of this.#waiters.splice(0)) resolve();
  }

  #plan() {
    const { queue, now } = this.#device;
    const busy = new Set(this.#busy.keys());
    return sendPlan({ waiting: queue.waiting(), active: queue.active() }, busy, now());
  }

  #lookLater(ms: number): void {
    this.#timer = setTimeout(() => this.notify(), Math.min(LOOK_AGAIN_MS, Math.max(0, ms)));
  }

  /** Resolves when the queue is empty but for what is being read or needs a person, or when the work was stopped and has ended. */
  idle(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.notify();
    });
  }

  /** A person asks: what was postponed is tried at once, whatever it waits for. */
  retryNow(): void {
    this.#recording(() => this.#device.queue.retryNow());
    this.notify();
  }

  /** There is a line again, or another one: what is under way is taken up anew, and nothing waits any longer. */
  #startOver(): void {
    if (this.#stop.signal.aborted) return;
    this.#device.http.reset();
    for (const { attempt } of this.#busy.values()) attempt.abort();
    this.retryNow();
  }

  /** Starts a task where there is a place for it; the end of one looks for the next. */
  #start(key: string, task: (signal: AbortSignal) => Promise<void>): void {
    if (!this.#hasPlace()) return;
    const attempt = new AbortController();
    this.#busy.set(key, { attempt, arrived: false });
    const ended = () => {
      this.#busy.delete(key);
      this.notify();
    };
    void this.#work
      .add(async () => (attempt.signal.aborted ? undefined : task(attempt.signal)))
      .then(ended, (error: unknown) => {
        // Not even the failure could be recorded: a full disk, most likely. At once again would be for ever again.
        if (isStateDamage(error)) this.#break(deviceFailure(error));
        else this.#device.progress.say(deviceFailure(error).message);
        if (this.#stop.signal.aborted || this.#broken) ended();
        else setTimeout(ended, UNRECORDED_MS);
      });
  }

  #hasPlace(): boolean {
    if (this.#busy.size >= AT_ONCE) return false;
    let onTheWire = 0;
    for (const { arrived } of this.#busy.values()) if (!arrived) onTheWire++;
    return onTheWire < ON_THE_WIRE;
  }

  #break(failure: Failure): void {
    if (this.#broken) return;
    this.#broken = failure;
    for (const { attempt } of this.#busy.values()) attempt.abort();
    this.#events.onBroken?.();
  }

  /** Why nothing can go on, where that is so. */
  get broken(): Failure | undefined {
    return this.#broken;
  }

  /** Something that is worth recording, but worth nothing where the database does not take it. */
  #recording(record: () => void): void {
    try {
      record();
    } catch (error) {
      if (isStateDamage(error)) this.#break(deviceFailure(error));
    }
  }

  async #send(pack: WaitingPack, signal: AbortSignal): Promise<void> {
    const { queue, staging, http, server } = this.#device;
    if (this.#stop.signal.aborted) return;
    const file = { path: staging.packPath(pack.backup_id, pack.number), bytes: pack.bytes };
    const before = this.#progress.of(pack);
    try {
      const { uploadPack } = await loadUpload();
      // The same change may have been sent before, with a backup that was given up or a state that came back.
      if (pack.url === null && (await server.knowsPack(pack.id, { signal }))) return this.#known(pack);
      await uploadPack({
        pack,
        file,
        http,
        server,
        signal,
        onUrl: (url) => queue.advancePack(pack, 'created', url),
        onWritten: (offset) => this.#written(pack, offset),
      });
      this.#known(pack, true);
    } catch (error) {
      if (signal.aborted) return;
      const moved = this.#progress.of(pack) > before;
      const attempt = { failure: deviceFailure(error), moved, path: file.path, signal };
      if ((await this.#failures.ofSend(pack, attempt)) === 'known') this.#known(pack);
    }
  }

  #written(pack: WaitingPack, offset: number): void {
    this.#recording(() => this.#progress.written(pack, offset));
    const underWay = this.#busy.get(packKey(pack));
    if (!underWay || underWay.arrived || offset < pack.bytes) return;
    underWay.arrived = true;
    this.notify();
  }

  /** `sent`: its bytes crossed the line. */
  #known(pack: WaitingPack, sent = pack.url !== null): void {
    const { queue } = this.#device;
    if (sent) queue.packSent(pack);
    queue.advancePack(pack, 'acknowledged');
    this.#failures.over(queue.backup(pack.backup_id)?.source_id);
    this.#progress.ended(pack);
  }

  /** A pack of it is damaged and can't be sent any more: what lies before it goes on as a checkpoint, the rest is read again. */
  async #cut(backup: Backup): Promise<void> {
    try {
      await sealCheckpoint(this.#device, backup);
    } catch {
      // Nothing can be made of it here; the source is read again from the base.
      await abandon(this.#device, backup, 'pack-lost');
    }
    this.#events.onReadAgain?.(backup.source_id);
  }

  async #commit(backup: Backup, signal: AbortSignal): Promise<void> {
    const { queue } = this.#device;
    if (this.#stop.signal.aborted) return;
    const before = this.#lists.get(backup.id) ?? 0;
    if (backup.state === 'uploading') queue.advance(backup.id, 'packs-known');
    try {
      let sent = queue.packsOf(backup.id).reduce((sum, pack) => sum + pack.sent, 0);
      const onSent = (bytes: number) => {
        sent += bytes;
      };
      const { commitVersion } = await loadCommit();
      const version = await commitVersion(this.#device, queue.backup(backup.id)!, {
        signal,
        onSent,
        onListWritten: (offset) => this.#lists.set(backup.id, offset),
      });
      this.#lists.delete(backup.id);
      this.#failures.over();
      this.#events.onReceipt?.({ version, sourceId: backup.source_id, sent });
    } catch (error) {
      if (signal.aborted) return;
      const moved = (this.#lists.get(backup.id) ?? 0) > before;
      await this.#failures.ofCommit(backup, { failure: deviceFailure(error), moved, signal });
    }
  }
}
