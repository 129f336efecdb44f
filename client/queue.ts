// The queue: backups on their way to a receipt and their packs, in SQLite; the only writer of those rows.
import type { Health, SnapshotKind } from '../shared/protocol.ts';
import type { Receipt, ReceiptStatement } from '../shared/receipt.ts';
import { type BackupEvent, type BackupState, nextBackupState } from './backup-states.ts';
import type { DeviceDb } from './device-db.ts';
import { nextUploadState, type UploadEvent, type UploadState } from './upload-states.ts';

export interface Backup {
  /** The id of the version it becomes. */
  readonly id: string;
  readonly source_id: number;
  readonly state: BackupState;
  /** 1, or 0 for a checkpoint. */
  readonly complete: number;
  readonly base_version: string | null;
  readonly size: number;
  readonly mtime: string;
  readonly taken_at: string;
  readonly snapshot: SnapshotKind;
  readonly health: Health;
  /** JSON array of sentences. */
  readonly health_notes: string;
  readonly mark: string | null;
  readonly sha256: string | null;
  readonly root: string | null;
  readonly fingerprint: string | null;
  readonly fingerprint_file: string | null;
  readonly attempts: number;
  readonly next_attempt_at: number;
  readonly failure: string | null;
}

export interface QueuedPack {
  readonly backup_id: string;
  readonly number: number;
  readonly id: string;
  readonly state: UploadState;
  readonly bytes: number;
  readonly raw_bytes: number;
  readonly through: number;
  readonly runs: Uint8Array;
  readonly url: string | null;
  readonly attempts: number;
  readonly next_attempt_at: number;
  readonly failure: string | null;
}

/** What sending a pack takes: all of it but what it holds. */
export type WaitingPack = Omit<QueuedPack, 'runs' | 'raw_bytes' | 'through' | 'failure'>;

export type NewBackup = Omit<
  Backup,
  | 'state'
  | 'complete'
  | 'sha256'
  | 'root'
  | 'fingerprint'
  | 'fingerprint_file'
  | 'attempts'
  | 'next_attempt_at'
  | 'failure'
>;
export type NewPack = Pick<
  QueuedPack,
  'backup_id' | 'number' | 'id' | 'bytes' | 'raw_bytes' | 'through' | 'runs'
>;
/** What a backup is known to be once it is read to its end, or cut short. */
export type Sealed = Pick<
  Backup,
  'complete' | 'size' | 'sha256' | 'root' | 'fingerprint' | 'fingerprint_file'
>;

export class Queue {
  readonly #db: DeviceDb;

  constructor(db: DeviceDb) {
    this.#db = db;
  }

  /** Runs `work` in one durable transaction. */
  atomically<T>(work: () => T): T {
    return this.#db.transaction(work).immediate();
  }

  begin(backup: NewBackup): void {
    this.#db
      .prepare(
        `INSERT INTO backups (id, source_id, state, base_version, size, mtime, taken_at, snapshot, health, health_notes, mark)
         VALUES (@id, @source_id, 'scanning', @base_version, @size, @mtime, @taken_at, @snapshot, @health, @health_notes, @mark)`,
      )
      .run(backup);
  }

  backup(id: string): Backup | undefined {
    return this.#db.prepare<[string], Backup>('SELECT * FROM backups WHERE id = ?').get(id);
  }

  /** Backups that still have something to do, oldest first. */
  active(): Backup[] {
    return this.#db
      .prepare<[], Backup>(
        "SELECT * FROM backups WHERE state NOT IN ('receipted', 'abandoned') ORDER BY taken_at, id",
      )
      .all();
  }

  /** Moves a backup along its table; with what is known of it, once it is sealed. */
  advance(id: string, event: BackupEvent, sealed?: Sealed): BackupState {
    return this.atomically(() => {
      const backup = this.backup(id);
      if (!backup) throw new RangeError(`no backup ${id}`);
      const state = nextBackupState(backup.state, event);
      const { complete, size, sha256, root, fingerprint, fingerprint_file } = sealed ?? backup;
      this.#db
        .prepare(
          `UPDATE backups SET state = ?, complete = ?, size = ?, sha256 = ?, root = ?, fingerprint = ?, fingerprint_file = ?, attempts = 0,
           next_attempt_at = 0, failure = NULL WHERE id = ?`,
        )
        .run(state, complete, size, sha256, root, fingerprint, fingerprint_file, id);
      // Packs of a backup that ended are no part of the queue: nothing may wait for them, and staging is freed.
      if (state === 'receipted' || state === 'abandoned')
        this.#db.prepare('DELETE FROM packs WHERE backup_id = ?').run(id);
      return state;
    });
  }

  postponeBackup(id: string, failure: string, nextAttemptAt: number): void {
    this.#db
      .prepare('UPDATE backups SET attempts = attempts + 1, failure = ?, next_attempt_at = ? WHERE id = ?')
      .run(failure, nextAttemptAt, id);
  }

  addPack(pack: NewPack): void {
    this.#db
      .prepare(
        `INSERT INTO packs (backup_id, number, id, state, bytes, raw_bytes, through, runs)
         VALUES (@backup_id, @number, @id, 'staged', @bytes, @raw_bytes, @through, @runs)`,
      )
      .run(pack);
  }

  packsOf(backupId: string): QueuedPack[] {
    return this.#db
      .prepare<[string], QueuedPack>('SELECT * FROM packs WHERE backup_id = ? ORDER BY number')
      .all(backupId);
  }

  /** Packs that are not known to the server yet, oldest backup first. */
  waiting(): WaitingPack[] {
    return this.#db
      .prepare<[], WaitingPack>(
        `SELECT packs.backup_id, number, packs.id, packs.state, bytes, url, packs.attempts, packs.next_attempt_at FROM packs JOIN backups ON backups.id = packs.backup_id
         WHERE packs.state IN ('staged', 'sending') ORDER BY backups.taken_at, packs.number`,
      )
      .all();
  }

  /** Moves a pack along its table. `url`: what `created` brought; a pack that starts over has none. */
  advancePack(
    pack: Pick<QueuedPack, 'backup_id' | 'number'>,
    event: UploadEvent,
    url: string | null = null,
  ): void {
    this.atomically(() => {
      const now = this.#db
        .prepare<[string, number], QueuedPack>('SELECT * FROM packs WHERE backup_id = ? AND number = ?')
        .get(pack.backup_id, pack.number);
      if (!now) return;
      const state = nextUploadState(now.state, event);
      this.#db
        .prepare(
          'UPDATE packs SET state = ?, url = ?, attempts = 0, next_attempt_at = 0, failure = NULL WHERE backup_id = ? AND number = ?',
        )
        .run(state, state === 'sending' ? (url ?? now.url) : null, pack.backup_id, pack.number);
    });
  }

  postponePack(
    pack: Pick<QueuedPack, 'backup_id' | 'number'>,
    failure: string,
    attempts: number,
    nextAttemptAt: number,
  ): void {
    this.#db
      .prepare(
        'UPDATE packs SET attempts = ?, failure = ?, next_attempt_at = ? WHERE backup_id = ? AND number = ?',
      )
      .run(attempts, failure, nextAttemptAt, pack.backup_id, pack.number);
  }

  /** Bytes of the packs of a backup: all, and those that the server knows. */
  progressOf(backupId: string): { total: number; known: number } {
    return this.#db
      .prepare<[string], { total: number; known: number }>(
        `SELECT COALESCE(SUM(bytes), 0) AS total, COALESCE(SUM(bytes) FILTER (WHERE state = 'known'), 0) AS known
         FROM packs WHERE backup_id = ?`,
      )
      .get(backupId)!;
  }

  /** Packs and bytes in staging: everything that waits for a receipt. */
  staged(): { packs: number; bytes: number } {
    return this.#db
      .prepare<[], { packs: number; bytes: number }>(
        'SELECT COUNT(*) AS packs, COALESCE(SUM(bytes), 0) AS bytes FROM packs',
      )
      .get()!;
  }

  keepReceipt(receipt: Receipt, statement: ReceiptStatement): void {
    this.#db
      .prepare(
        'INSERT INTO receipts (sequence, version, statement, signature) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
      )
      .run(statement.sequence, statement.version, receipt.statement, receipt.signature);
  }

  receipt(sequence: number): Receipt | undefined {
    return this.#db
      .prepare<[number], Receipt>('SELECT statement, signature FROM receipts WHERE sequence = ?')
      .get(sequence);
  }
}
