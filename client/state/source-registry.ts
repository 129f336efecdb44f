// The sources of this device: what is protected, and what the server holds of it.
import type { SnapshotKind, SourceKind } from '../../shared/protocol.ts';
import type { LastGood } from '../backup/suspicion.ts';
import type { DeviceDb } from './device-db.ts';

/** What the server holds of a source, as the fingerprint on this disk tells it. */
export interface Base {
  readonly version: string;
  /** Bytes. */
  readonly size: number;
  readonly root: string;
  /** False for a checkpoint: a part of the source, or a mixture of two states of it. */
  readonly complete: boolean;
  /** SHA-256 of the fingerprint file. */
  readonly fingerprint: string;
  /** Its name in the folder of fingerprints. */
  readonly file: string;
}

export interface Source {
  readonly id: number;
  readonly path: string;
  readonly kind: SourceKind;
  /** Name of the set that it is of use with only; null: it stands alone. */
  readonly set: string | null;
  readonly base: Base | null;
  /** How the source looked when its newest receipted backup read it; null: never, or not to be trusted. */
  readonly mark: string | null;
  /** Whether the server may hold versions of it that are not known here. */
  readonly askServer: boolean;
  readonly lastReceiptAt: string | null;
  /** What its newest receipted version was read from; null: not known here. */
  readonly lastSnapshot: SnapshotKind | null;
  readonly lastFailure: { readonly code: string; readonly message: string } | null;
  /** When it was last found to be as its receipt says; null: not since that receipt. */
  readonly checkedAt: string | null;
  /** Since when it is not there; null: it was there when it was last looked at. */
  readonly goneSince: string | null;
  /** Whether it was told that it is gone for good. */
  readonly goneTold: boolean;
  /** When a person said that it is no source any more; null: it is one. */
  readonly forgottenAt: string | null;
  /** Why its newest receipted version is suspect; null: it is not. */
  readonly suspect: string | null;
  /** Its newest receipted version that was not; null: not known here. */
  readonly lastGood: LastGood | null;
}

/**
 * Whether this device read the source itself, and the server holds what it read: by a receipt, or, after the database was lost, by a
 * look that found it unchanged. What the server alone tells of is not taken.
 */
export function isTaken({ lastReceiptAt, mark }: Pick<Source, 'lastReceiptAt' | 'mark'>): boolean {
  return lastReceiptAt !== null || mark !== null;
}

interface Row {
  id: number;
  path: string;
  kind: SourceKind;
  set_name: string | null;
  base_version: string | null;
  base_size: number | null;
  base_root: string | null;
  base_complete: number | null;
  fingerprint: string | null;
  fingerprint_file: string | null;
  mark: string | null;
  ask_server: number;
  last_receipt_at: string | null;
  last_snapshot: SnapshotKind | null;
  last_failure: string | null;
  last_failure_message: string | null;
  checked_at: string | null;
  gone_since: string | null;
  gone_told: number;
  forgotten_at: string | null;
  suspect: string | null;
  last_good: string | null;
}

function sourceOf(row: Row): Source {
  const {
    base_version: version,
    base_size: size,
    base_root: root,
    fingerprint,
    fingerprint_file: file,
  } = row;
  const known = version !== null && size !== null && root !== null && fingerprint !== null && file !== null;
  return {
    id: row.id,
    path: row.path,
    kind: row.kind,
    set: row.set_name,
    base: known ? { version, size, root, complete: row.base_complete === 1, fingerprint, file } : null,
    mark: row.mark,
    askServer: row.ask_server === 1,
    lastReceiptAt: row.last_receipt_at,
    lastSnapshot: row.last_snapshot,
    lastFailure: row.last_failure
      ? { code: row.last_failure, message: row.last_failure_message ?? '' }
      : null,
    checkedAt: row.checked_at,
    goneSince: row.gone_since,
    goneTold: row.gone_told === 1,
    forgottenAt: row.forgotten_at,
    suspect: row.suspect,
    lastGood: lastGoodOf(row),
  };
}

/** Of a version that was taken before this was noted, no more than its size is known. */
function lastGoodOf(row: Row): LastGood | null {
  if (row.last_good !== null) return JSON.parse(row.last_good);
  const { base_version: version, base_size: size, last_receipt_at: at } = row;
  return version !== null && size !== null && row.base_complete === 1
    ? { version, size, at, shape: null }
    : null;
}

export class SourceRegistry {
  readonly #db: DeviceDb;

  constructor(db: DeviceDb) {
    this.#db = db;
  }

  /** The source at `path` (absolute), registered if it was not; in `set` from now on, where one is given. */
  register(path: string, kind: SourceKind, set: string | null = null): Source {
    this.#db
      .prepare('INSERT INTO sources (path, kind, ask_server) VALUES (?, ?, ?) ON CONFLICT (path) DO NOTHING')
      .run(path, kind, this.knowsVault ? 0 : 1);
    if (set !== null)
      this.#db
        .prepare(
          'UPDATE sources SET set_name = ? WHERE path = ? AND set_name IS NOT ? AND forgotten_at IS NULL',
        )
        .run(set, path, set);
    return sourceOf(this.#db.prepare<[string], Row>('SELECT * FROM sources WHERE path = ?').get(path)!);
  }

  /** Whether this database knows of everything that the server holds of this device: not after it was lost and made anew. */
  get knowsVault(): boolean {
    return this.#fact('vault_known');
  }

  /** Whether what the server holds was learnt from it after a loss, if perhaps not all of it. */
  get learntVault(): boolean {
    return this.#fact('vault_learnt') || this.knowsVault;
  }

  /** To be said when the device is new, or when all that the server holds was learnt from it. */
  vaultIsKnown(): void {
    this.#remember('vault_known');
  }

  /** To be said when so much was learnt as the server tells at once: of what comes later it is asked one by one. */
  vaultIsLearnt(): void {
    this.#remember('vault_learnt');
  }

  #fact(name: string): boolean {
    return this.#db.prepare('SELECT 1 FROM facts WHERE name = ?').get(name) !== undefined;
  }

  #remember(name: string): void {
    this.#db.prepare("INSERT INTO facts (name, value) VALUES (?, '1') ON CONFLICT DO NOTHING").run(name);
  }

  get(id: number): Source {
    return sourceOf(this.#db.prepare<[number], Row>('SELECT * FROM sources WHERE id = ?').get(id)!);
  }

  /** Every source that is or was in a set, but for what was forgotten or is left out. */
  ofSet(name: string): Source[] {
    return this.#db
      .prepare<[string], Row>('SELECT * FROM sources WHERE set_name = ? ORDER BY path')
      .all(name)
      .map(sourceOf);
  }

  all(): Source[] {
    return this.#db.prepare<[], Row>('SELECT * FROM sources ORDER BY path').all().map(sourceOf);
  }

  /**
   * The base a receipt, or the server's answer, vouches for. `mark` null: the next run reads the source. What it failed by is over,
   * but that it changes while it is read, which only a complete version ends: a checkpoint of it is no state that it was in.
   */
  promote(id: number, base: Base, mark: string | null, receiptAt: string | null): void {
    this.#db
      .prepare(
        `UPDATE sources SET base_version = ?, base_size = ?, base_root = ?, base_complete = ?,
         fingerprint = ?, fingerprint_file = ?, mark = ?, ask_server = 0,
         last_receipt_at = COALESCE(?, last_receipt_at), last_failure = iif(? OR last_failure <> 'source_changed', NULL, last_failure),
         last_failure_message = iif(? OR last_failure <> 'source_changed', NULL, last_failure_message) WHERE id = ?`,
      )
      .run(
        base.version,
        base.size,
        base.root,
        base.complete ? 1 : 0,
        base.fingerprint,
        base.file,
        mark,
        receiptAt,
        base.complete ? 1 : 0,
        base.complete ? 1 : 0,
        id,
      );
  }

  /** Why its newest receipted version is suspect, and the last one that is not; null: no, or none. */
  judged(id: number, suspect: string | null, lastGood: LastGood | null): void {
    this.#db
      .prepare('UPDATE sources SET suspect = ?, last_good = ? WHERE id = ?')
      .run(suspect, lastGood === null ? null : JSON.stringify(lastGood), id);
  }

  /** What its newest receipted version was read from. */
  readFrom(id: number, snapshot: SnapshotKind): void {
    this.#db.prepare('UPDATE sources SET last_snapshot = ? WHERE id = ?').run(snapshot, id);
  }

  /** Nothing is known of what the server holds; the next run asks it. */
  forgetBase(id: number): void {
    this.#db
      .prepare(`UPDATE sources SET base_version = NULL, base_size = NULL, base_root = NULL, base_complete = NULL, fingerprint = NULL,
         fingerprint_file = NULL, mark = NULL, ask_server = 1 WHERE id = ?`)
      .run(id);
  }

  /** The server was asked and holds nothing of it. */
  nothingHeld(id: number): void {
    this.#db.prepare('UPDATE sources SET ask_server = 0 WHERE id = ?').run(id);
  }

  /** What it failed by is over, though no receipt says so. */
  worksAgain(id: number): void {
    this.#db
      .prepare('UPDATE sources SET last_failure = NULL, last_failure_message = NULL WHERE id = ?')
      .run(id);
  }

  failed(id: number, code: string, message: string): void {
    this.#db
      .prepare('UPDATE sources SET last_failure = ?, last_failure_message = ? WHERE id = ?')
      .run(code, message, id);
  }

  /** They are as their receipts say, seen at `at` (ISO 8601). What they failed by, and that one was not there, is over. */
  unchanged(ids: readonly number[], at: string): void {
    const note = this.#db.prepare(
      'UPDATE sources SET checked_at = ?, last_failure = NULL, last_failure_message = NULL, gone_since = NULL, gone_told = 0 WHERE id = ?',
    );
    this.#db
      .transaction(() => {
        for (const id of ids) note.run(at, id);
      })
      .immediate();
  }

  /** It is not there at `at` (ISO 8601); the first time counts. */
  missing(id: number, at: string): void {
    this.#db.prepare('UPDATE sources SET gone_since = ? WHERE id = ? AND gone_since IS NULL').run(at, id);
  }

  /** It is there again. */
  thereAgain(id: number): void {
    this.#db.prepare('UPDATE sources SET gone_since = NULL, gone_told = 0 WHERE id = ?').run(id);
  }

  /** That it is gone for good was told. */
  goneWasTold(id: number): void {
    this.#db.prepare('UPDATE sources SET gone_told = 1 WHERE id = ?').run(id);
  }

  /** They are no sources any more from `at` (ISO 8601) on, until they are named again, and part of no set. */
  forget(ids: readonly number[], at: string): void {
    const note = this.#db.prepare(
      'UPDATE sources SET forgotten_at = COALESCE(forgotten_at, ?), set_name = NULL WHERE id = ?',
    );
    this.#db
      .transaction(() => {
        for (const id of ids) note.run(at, id);
      })
      .immediate();
  }

  /** It is a source again. */
  remember(id: number): void {
    this.#db.prepare('UPDATE sources SET forgotten_at = NULL WHERE id = ?').run(id);
  }

  /** It is taken alone from now on. */
  leaveSet(id: number): void {
    this.#db.prepare('UPDATE sources SET set_name = NULL WHERE id = ?').run(id);
  }
}
