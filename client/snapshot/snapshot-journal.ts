// The journal of snapshots: a row before one is made, none after it is gone.
import type { DeviceDb } from '../state/device-db.ts';

export interface JournalEntry {
  readonly id: string;
  readonly provider: string;
  readonly volume: string;
  /** What the system calls it, where it does not take our id; null until we were told. */
  readonly handle: string | null;
  readonly made_at: string;
}

export class SnapshotJournal {
  readonly #db: DeviceDb;

  constructor(db: DeviceDb) {
    this.#db = db;
  }

  /** Durable before the snapshot exists. */
  expect(entry: Omit<JournalEntry, 'handle'>): JournalEntry {
    this.#db
      .prepare(
        'INSERT INTO snapshots (id, provider, volume, made_at) VALUES (@id, @provider, @volume, @made_at)',
      )
      .run(entry);
    return { ...entry, handle: null };
  }

  /** It exists, and this is what the system calls it. */
  made(id: string, handle: string): void {
    this.#db.prepare('UPDATE snapshots SET handle = ? WHERE id = ?').run(handle, id);
  }

  gone(id: string): void {
    this.#db.prepare('DELETE FROM snapshots WHERE id = ?').run(id);
  }

  all(): JournalEntry[] {
    return this.#db.prepare<[], JournalEntry>('SELECT * FROM snapshots ORDER BY made_at').all();
  }
}
