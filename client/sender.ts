// The sender: empties the queue, pack after pack and commit after commit, for as long as it takes; every wait is in the database.
import PQueue from 'p-queue';
import { asFailure, type Failure } from '../shared/failure.ts';
import type { VersionSummary } from '../shared/protocol.ts';
import { backoffMs } from './backoff.ts';
import type { Device } from './device.ts';
import type { Backup, WaitingPack } from './queue.ts';
import { packKey, sendPlan } from './send-plan.ts';
import { fileDigest } from './staged-digest.ts';

/** Packs on the wire at a time: a second one fills the line while the server checks the first; more gained nothing measured. */
const AT_ONCE = 2;
/** Between two reports of progress. */
const TELL_MS = 200;

/** A version that has its receipt, and the bytes of the packs that were made for it. */
export interface Receipted {
  readonly version: VersionSummary;
  readonly sent: number;
}

export class Sender {
  readonly #device: Device;
  readonly #onReceipt: (receipted: Receipted) => void;
  readonly #work = new PQueue({ concurrency: AT_ONCE });
  readonly #busy = new Set<string>();
  /** How far packs under way are, in bytes. */
  readonly #written = new Map<string, number>();
  #toldAt = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Trouble is told once, until something works again. */
  #troubled = false;
  readonly #stop = new AbortController();
  #waiters: (() => void)[] = [];

  constructor(device: Device, onReceipt: (receipted: Receipted) => void = () => {}) {
    this.#device = device;
    this.#onReceipt = onReceipt;
    device.stop.addEventListener('abort', () => this.#stop.abort(), { once: true });
    this.#stop.signal.addEventListener('abort', () => this.notify(), { once: true });
    if (device.stop.aborted) this.#stop.abort();
  }

  /** Ends what is under way where it can go on later, and waits for that. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.idle();
  }

  /** Looks at the queue and starts what is due. Called whenever something may have changed; cheap. */
  notify(): void {
    clearTimeout(this.#timer);
    const { queue, now } = this.#device;
    const stop = this.#stop.signal;
    const plan = sendPlan({ waiting: queue.waiting(), active: queue.active() }, this.#busy, now());
    if (!stop.aborted) {
      for (const pack of plan.send) this.#start(packKey(pack), () => this.#send(pack));
      for (const backup of plan.commit) this.#start(backup.id, () => this.#commit(backup));
      if (plan.wakeAt !== null)
        this.#timer = setTimeout(() => this.notify(), Math.max(0, plan.wakeAt - now()));
    }
    if (stop.aborted ? this.#busy.size === 0 : plan.idle) for (const wake of this.#waiters.splice(0)) wake();
  }

  /** Resolves when the queue is empty but for what is being read, or when the work was stopped and has ended. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.notify();
    });
  }

  #start(key: string, task: () => Promise<void>): void {
    this.#busy.add(key);
    void this.#work
      .add(task)
      .catch((error) => this.#device.progress.say(asFailure(error).message))
      .finally(() => {
        this.#busy.delete(key);
        this.notify();
      });
  }

  async #send(pack: WaitingPack): Promise<void> {
    const { queue, staging, http, server } = this.#device;
    const stop = this.#stop.signal;
    if (stop.aborted) return;
    const key = packKey(pack);
    const file = { path: staging.packPath(pack.backup_id, pack.number), bytes: pack.bytes };
    const before = this.#written.get(key) ?? 0;
    try {
      // Loaded when there is something to send: mostly there is not.
      const { uploadPack } = await import('./upload/upload-pack.ts');
      await uploadPack({
        pack,
        file,
        http,
        server,
        signal: stop,
        onUrl: (url) => queue.advancePack(pack, 'created', url),
        onWritten: (offset) => this.#progress(pack, offset),
      });
      queue.advancePack(pack, 'acknowledged');
      this.#troubled = false;
      this.#progress(pack, 0);
      this.#written.delete(key);
    } catch (error) {
      const moved = (this.#written.get(key) ?? 0) > before;
      await this.#sendFailed(pack, { failure: asFailure(error), moved, path: file.path });
    }
  }

  async #sendFailed(
    pack: WaitingPack,
    { failure, moved, path }: { failure: Failure; moved: boolean; path: string },
  ): Promise<void> {
    const { queue, server } = this.#device;
    if (this.#stop.signal.aborted) return;
    if (failure.code === 'upload_gone') {
      const known = await server.knowsPack(pack.id).catch(() => null);
      if (known) return queue.advancePack(pack, 'acknowledged');
      // Starts over, but not at once again and again: a proxy may answer 404 to everything.
      if (known === false) queue.advancePack(pack, 'gone');
    }
    const suspicious = failure.code === 'pack_refused' || failure.code === 'pack_damaged';
    if (suspicious && (await fileDigest(path)) !== pack.id) return this.#packLost(pack, failure);
    // A line that moved bytes since the last attempt is a good line: it is taken up again at once.
    this.#postpone(failure, moved ? 0 : pack.attempts + 1, (attempts, at) =>
      queue.postponePack(pack, failure.code, attempts, at),
    );
  }

  #postpone(failure: Failure, attempts: number, record: (attempts: number, at: number) => void): void {
    const { now, chance, progress } = this.#device;
    const asked = Number(failure.detail.retryAfterMs ?? 0);
    const wait = Math.max(asked, attempts === 0 ? 0 : backoffMs(attempts - 1, chance()));
    if (attempts > 0 && !this.#troubled) progress.say(`${failure.message} ${failure.hint}`);
    this.#troubled ||= attempts > 0;
    record(attempts, now() + wait);
  }

  /** A pack that can't be sent any more takes its backup with it; the source is read again. */
  async #packLost(pack: WaitingPack, failure: Failure): Promise<void> {
    const { queue, sources, staging } = this.#device;
    queue.advancePack(pack, 'damaged');
    const backup = queue.backup(pack.backup_id);
    if (!backup) return;
    queue.advance(backup.id, 'pack-lost');
    sources.failed(backup.source_id, failure.code, failure.message);
    if (backup.state !== 'scanning') await staging.release(backup.id);
  }

  /** Remembers how far a pack is, and tells, but not more often than anyone can see. */
  #progress(pack: WaitingPack, offset: number): void {
    const { queue, sources, progress, now } = this.#device;
    this.#written.set(packKey(pack), offset);
    if (now() - this.#toldAt < TELL_MS) return;
    this.#toldAt = now();
    const backup = queue.backup(pack.backup_id);
    if (!backup) return;
    const { total, known } = queue.progressOf(backup.id);
    let underWay = 0;
    for (const [key, written] of this.#written) if (key.startsWith(backup.id)) underWay += written;
    const path = sources.get(backup.source_id).path;
    progress.report({ phase: 'send', path, done: Math.min(total, known + underWay), total });
  }

  async #commit(backup: Backup): Promise<void> {
    const { queue } = this.#device;
    if (this.#stop.signal.aborted) return;
    if (backup.state === 'uploading') queue.advance(backup.id, 'packs-known');
    try {
      const sent = queue.packsOf(backup.id).reduce((sum, pack) => sum + pack.bytes, 0);
      const { commitVersion } = await import('./commit-version.ts');
      const version = await commitVersion(this.#device, queue.backup(backup.id)!);
      this.#troubled = false;
      this.#onReceipt({ version, sent });
    } catch (error) {
      await this.#commitFailed(backup, asFailure(error));
    }
  }

  async #commitFailed(backup: Backup, failure: Failure): Promise<void> {
    const { queue, sources, staging } = this.#device;
    if (failure.code === 'packs_missing') {
      const missing = new Set(failure.detail.missing as string[]);
      for (const pack of queue.packsOf(backup.id))
        if (missing.has(pack.id)) queue.advancePack(pack, 'missing');
      queue.advance(backup.id, 'packs-missing');
      return;
    }
    if (
      ['blocks_differ', 'root_differs', 'base_unknown', 'version_conflict', 'malformed'].includes(
        failure.code,
      )
    ) {
      // The server's word on what it holds replaces ours: the next backup starts from there.
      queue.advance(backup.id, 'refused');
      sources.forgetBase(backup.source_id);
      sources.failed(backup.source_id, failure.code, failure.message);
      await staging.release(backup.id);
      return;
    }
    sources.failed(backup.source_id, failure.code, failure.message);
    this.#postpone(failure, backup.attempts + 1, (_, at) =>
      queue.postponeBackup(backup.id, failure.code, at),
    );
  }
}
