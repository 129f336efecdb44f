// The queue: backups on their way to a receipt and their packs, in SQLite; the only writer of those rows.
import { Failure } from '../../shared/failure.ts';
import type { Receipt, ReceiptStatement } from '../../shared/receipt.ts';
import { type BackupEvent, type BackupState, nextBackupState } from '../backup/backup-states.ts';
import { nextUploadState, type UploadEvent } from '../upload/upload-states.ts';
import type { DeviceDb } from './device-db.ts';
import type { Backup, NewBackup, NewPack, QueuedPack, Sealed, WaitingPack } from './queue-rows.ts';
import { checkOfBackup, checkOfPack, isBackupWhole } from './row-check.ts';

/** What a backup that is being read is not known to be yet. */
const UNSEALED = { complete: 1, sha256: null, root: null, fingerprint: null, fingerprint_file: null };

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
        `INSERT INTO backups (id, source_id, state, base_version, size, mtime, taken_at, snapshot, outlook_running, health,
         health_notes, rights, shape, mark, row_check)
         VALUES (@id, @source_id, 'scanning', @base_version, @size, @mtime, @taken_at, @snapshot, @outlook_running, @health,
         @health_notes, @rights, @shape, @mark, @row_check)`,
      )
      .run({ ...backup, row_check: checkOfBackup({ ...backup, ...UNSEALED }) });
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

  /** Those of one source. */
  activeOf(sourceId: number): Backup[] {
    return this.#db
      .prepare<[number], Backup>(
        "SELECT * FROM backups WHERE source_id = ? AND state NOT IN ('receipted', 'abandoned') ORDER BY taken_at, id",
      )
      .all(sourceId);
  }

  /** Moves a backup along its table; with what is known of it, once it is sealed. Attempts are counted on over a commit that lacks packs. */
  advance(id: string, event: BackupEvent, sealed?: Sealed): BackupState {
    return this.atomically(() => {
      const backup = this.backup(id);
      if (!backup) throw new RangeError(`no backup ${id}`);
      const state = nextBackupState(backup.state, event);
      const { complete, size, sha256, root, fingerprint, fingerprint_file } = sealed ?? backup;
      // What is not what was written at its beginning must not get a new check.
      if (sealed && !isBackupWhole(backup))
        throw new Failure('pack_damaged', 'What was noted of a backup was damaged while it was read.');
      const check = sealed ? checkOfBackup({ ...backup, ...sealed }) : backup.row_check;
      const attempts = event === 'packs-known' || event === 'packs-missing' ? backup.attempts : 0;
      this.#db
        .prepare(
          `UPDATE backups SET state = ?, complete = ?, size = ?, sha256 = ?, root = ?, fingerprint = ?, fingerprint_file = ?, row_check = ?,
           attempts = ?, next_attempt_at = 0, failure = NULL WHERE id = ?`,
        )
        .run(state, complete, size, sha256, root, fingerprint, fingerprint_file, check, attempts, id);
      // What its change list said may be something else now.
      if (sealed) this.keepList(id, null);
      // Packs of a backup that ended are no part of the queue: nothing may wait for them, and staging is freed.
      if (state === 'receipted' || state === 'abandoned')
        this.#db.prepare('DELETE FROM packs WHERE backup_id = ?').run(id);
      return state;
    });
  }

  /** Notes the change list of a backup that lies in staging, which has no URL yet; null: there is none. */
  keepList(id: string, list: { readonly id: string; readonly bytes: number } | null): void {
    this.#db
      .prepare('UPDATE backups SET list_id = ?, list_bytes = ?, list_url = NULL WHERE id = ?')
      .run(list?.id ?? null, list?.bytes ?? null, id);
  }

  /** Notes where the change list of a backup is uploaded to; null: its upload starts over. */
  keepListUrl(id: string, url: string | null): void {
    this.#db.prepare('UPDATE backups SET list_url = ? WHERE id = ?').run(url, id);
  }

  postponeBackup(id: string, failure: string, attempts: number, nextAttemptAt: number): void {
    this.#db
      .prepare('UPDATE backups SET attempts = ?, failure = ?, next_attempt_at = ? WHERE id = ?')
      .run(attempts, failure, nextAttemptAt, id);
  }

  /** Queues a sealed pack of a backup that is being read. A Failure `pack_damaged` where one of its packs was lost meanwhile. */
  addPack(pack: NewPack): void {
    this.atomically(() => {
      const backup = this.backup(pack.backup_id);
      if (backup && (backup.state !== 'scanning' || this.lostFrom(backup.id) !== null))
        throw new Failure('pack_damaged', 'An earlier pack of the same backup was damaged in staging.');
      this.#db
        .prepare(
          `INSERT INTO packs (backup_id, number, id, state, bytes, raw_bytes, through, runs, row_check)
           VALUES (@backup_id, @number, @id,
             CASE WHEN EXISTS (SELECT 1 FROM packs WHERE id = @id AND state = 'known') THEN 'known' ELSE 'staged' END, @bytes, @raw_bytes, @through, @runs, @row_check)`,
        )
        .run({ ...pack, row_check: checkOfPack(pack) });
    });
  }

  /** Whether a pack is in the queue and the server is not known to have it. */
  holds(pack: Pick<QueuedPack, 'backup_id' | 'number'>): boolean {
    return (
      this.#db
        .prepare("SELECT 1 FROM packs WHERE backup_id = ? AND number = ? AND state <> 'known'")
        .get(pack.backup_id, pack.number) !== undefined
    );
  }

  /** The number of the first lost pack of a backup; null: none is lost. */
  lostFrom(backupId: string): number | null {
    return this.#db
      .prepare<[string], number | null>(
        "SELECT MIN(number) FROM packs WHERE backup_id = ? AND state = 'lost'",
      )
      .pluck()
      .get(backupId)!;
  }

  /** Takes packs from `number` on out of the queue. */
  dropPacks(backupId: string, number: number): void {
    this.#db.prepare('DELETE FROM packs WHERE backup_id = ? AND number >= ?').run(backupId, number);
  }

  packsOf(backupId: string): QueuedPack[] {
    return this.#db
      .prepare<[string], QueuedPack>('SELECT * FROM packs WHERE backup_id = ? ORDER BY number')
      .all(backupId);
  }

  /** Packs that are not known to the server yet, lost ones too, oldest backup first. */
  waiting(): WaitingPack[] {
    return this.#db
      .prepare<[], WaitingPack>(
        `SELECT packs.backup_id, number, packs.id, packs.state, bytes, url, packs.attempts, packs.next_attempt_at, packs.failure
         FROM packs JOIN backups ON backups.id = packs.backup_id
         WHERE packs.state <> 'known' ORDER BY backups.taken_at, backups.id, packs.number`,
      )
      .all();
  }

  /**
   * Moves a pack along its table. `url`: what `created` brought; a pack that starts over has none. A pack that another backup waits
   * for too is acknowledged for both.
   */
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
      if (state === 'known')
        this.#db
          .prepare(
            `UPDATE packs SET state = 'known', url = NULL, attempts = 0, next_attempt_at = 0, failure = NULL
             WHERE id = ? AND state IN ('staged', 'sending')`,
          )
          .run(now.id);
    });
  }

  /** Notes that all bytes of a pack crossed the line for this backup. */
  packSent(pack: Pick<QueuedPack, 'backup_id' | 'number'>): void {
    this.#db
      .prepare('UPDATE packs SET sent = bytes WHERE backup_id = ? AND number = ?')
      .run(pack.backup_id, pack.number);
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

  /** Everything postponed is due again: the line is back, or the clock that the waits were counted by is not to be trusted. */
  retryNow(): void {
    this.#db
      .transaction(() => {
        this.#db.prepare('UPDATE packs SET next_attempt_at = 0 WHERE next_attempt_at <> 0').run();
        this.#db.prepare('UPDATE backups SET next_attempt_at = 0 WHERE next_attempt_at <> 0').run();
      })
      .immediate();
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

  /** The newest receipt's place in the chain; 0: there is none. */
  lastReceipt(): number {
    return Number(this.#db.prepare('SELECT MAX(sequence) FROM receipts').pluck().get() ?? 0);
  }

  /** The sequence of the newest receipt before `sequence`; 0: there is none. */
  receiptBefore(sequence: number): number {
    return Number(
      this.#db.prepare('SELECT MAX(sequence) FROM receipts WHERE sequence < ?').pluck().get(sequence) ?? 0,
    );
  }

  /** Sets receipts from `sequence` on aside, which the server has forgotten; how many. They are kept: they prove what was promised. */
  setReceiptsAside(sequence: number): number {
    return this.atomically(() => {
      this.#db
        .prepare('INSERT INTO forgotten_receipts SELECT * FROM receipts WHERE sequence >= ?')
        .run(sequence);
      return this.#db.prepare('DELETE FROM receipts WHERE sequence >= ?').run(sequence).changes;
    });
  }

  /** Puts a receipt in the place of one of the same statement whose signature was damaged. */
  mendReceipt(sequence: number, { statement, signature }: Receipt): void {
    this.#db
      .prepare('UPDATE receipts SET signature = ? WHERE sequence = ? AND statement = ?')
      .run(signature, sequence, statement);
  }

  receipt(sequence: number): Receipt | undefined {
    return this.#db
      .prepare<[number], Receipt>('SELECT statement, signature FROM receipts WHERE sequence = ?')
      .get(sequence);
  }
}
