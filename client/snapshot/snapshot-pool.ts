// The snapshots of a run: one for each volume, used again while it is young, removed when it is not, at the latest with the run.
import { pause } from '../pause.ts';
import {
  type OpenSnapshot,
  openSnapshot,
  type Snapshot,
  type SnapshotProvider,
  type SnapshotSurroundings,
  type Volume,
} from './snapshot.ts';

/** How long one is good for another read, ms: longer than a round of retries takes, far less than mail takes to matter. */
const YOUNG_MS = 120_000;

interface Pooled extends OpenSnapshot {
  readonly bestBefore: number;
  users: number;
  /** Not handed out again. */
  spent: boolean;
  closed: Promise<void> | undefined;
}

export class SnapshotPool {
  readonly #with: SnapshotSurroundings;
  readonly #youngMs: number;
  readonly #ended = new AbortController();
  readonly #open = new Map<string, Pooled>();
  /** Snapshots of volumes made. */
  made = 0;

  /** `youngMs`: how long one is good for another read. */
  constructor(surroundings: SnapshotSurroundings, youngMs = YOUNG_MS) {
    this.#with = surroundings;
    this.#youngMs = youngMs;
  }

  /** Hands a snapshot of the volume to `use`: the one there is while it is young and whole, else a new one. Failures `snapshot_*`. */
  async use<T>(
    provider: SnapshotProvider,
    volume: Volume,
    use: (snapshot: Snapshot) => Promise<T>,
  ): Promise<T> {
    const pooled = await this.#of(provider, volume);
    pooled.users++;
    try {
      return await use(pooled.snapshot);
    } finally {
      pooled.users--;
      if (pooled.spent) await this.#close(pooled);
    }
  }

  /** Removes what is left. */
  async close(): Promise<void> {
    this.#ended.abort();
    for (const pooled of this.#open.values()) await this.#close(pooled);
    this.#open.clear();
  }

  async #of(provider: SnapshotProvider, volume: Volume): Promise<Pooled> {
    const key = `${provider.kind} ${volume.root}`;
    const there = this.#open.get(key);
    if (there && !there.spent && this.#with.now() < there.bestBefore) return there;
    if (there) {
      there.spent = true;
      if (there.users === 0) await this.#close(there);
      this.#open.delete(key);
    }
    const { snapshot, close } = await openSnapshot(provider, volume, this.#with);
    if (provider.kind !== 'live' && provider.kind !== 'export') this.made++;
    const pooled: Pooled = {
      // What is lost, the live file and exports, which hold secrets, are not handed out again.
      snapshot: {
        ...snapshot,
        judge: async (failure) => {
          const judged = await snapshot.judge(failure);
          if (judged.code === 'snapshot_lost') pooled.spent = true;
          return judged;
        },
      },
      close,
      bestBefore: this.#with.now() + this.#youngMs,
      users: 0,
      spent: provider.kind === 'live' || provider.kind === 'export',
      closed: undefined,
    };
    if (pooled.spent) return pooled;
    this.#open.set(key, pooled);
    // A run may wait for the line for hours: a snapshot does not wait with it.
    void pause(this.#youngMs, this.#ended.signal).then(() => this.#retire(pooled));
    return pooled;
  }

  async #retire(pooled: Pooled): Promise<void> {
    pooled.spent = true;
    if (pooled.users === 0) await this.#close(pooled);
  }

  #close(pooled: Pooled): Promise<void> {
    pooled.closed ??= pooled.close();
    return pooled.closed;
  }
}
