// The journal of snapshots: a row before one is made, none after it is gone.
import type { DeviceDb } from './device-db.ts';

export interface JournalEntry {
  readonly id: string;
  readonly provider: string;
  readonly volume: string;
  readonly made_at: string;
}

export class SnapshotJournal {
  readonly #db: DeviceDb;

  constructor(db: DeviceDb) {
    this.#db = db;
  }

  /** Durable before the snapshot exists. */
  expect(entry: JournalEntry): void {
    this.#db
      .prepare(
        'INSERT INTO snapshots (id, provider, volume, made_at) VALUES (@id, @provider, @volume, @made_at)',
      )
      .run(entry);
  }

  gone(id: string): void {
    this.#db.prepare('DELETE FROM snapshots WHERE id = ?').run(id);
  }

  all(): JournalEntry[] {
    return this.#db.prepare<[], JournalEntry>('SELECT * FROM snapshots ORDER BY made_at').all();
  }
}
