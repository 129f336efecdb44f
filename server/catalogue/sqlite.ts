// Opens a SQLite database so that a commit survives a power cut, and proves it did; brings it to the newest shape.
import { chmodSync, closeSync, existsSync, openSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { Failure } from '../../shared/failure.ts';
import { codeOf } from '../disk-failure.ts';
import { CompiledQuery, type DatabaseConnection, SqliteDialect, SqliteDriver } from './query-builder.ts';

/** 3.51.3 mends the WAL-reset bug: two connections that checkpoint and write at once could damage the file. */
const OLDEST_SQLITE = [3, 51, 3];

/** Milliseconds that one process waits for another's write, such as `token create` beside a running server. */
const BUSY_TIMEOUT_MS = 5_000;

/** Makes a database readable by its owner alone; SQLite gives its journals the same rights. */
function keepFromOthers(file: string): void {
  if (process.platform === 'win32' || file === ':memory:') return;
  // Never opened where it is there: closing it would let go of the locks that SQLite holds on it in this process.
  if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600));
  for (const each of [file, `${file}-wal`, `${file}-shm`])
    if (existsSync(each) && (statSync(each).mode & 0o077) !== 0) chmodSync(each, 0o600);
}

/** A connection with every setting that durability needs, checked after a read: better-sqlite3 defaults to less. */
export function openSqlite(file: string): Database.Database {
  keepFromOthers(file);
  const db = new Database(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    db.pragma('journal_mode = WAL');
    // After journal_mode: with WAL, better-sqlite3 silently falls to NORMAL, which loses commits in a power cut.
    db.pragma('synchronous = FULL');
    db.pragma('foreign_keys = ON');
    db.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`);
    db.pragma('trusted_schema = OFF');
    db.pragma('cell_size_check = ON');
    db.pragma('wal_autocheckpoint = 1000');
    db.pragma('journal_size_limit = 67108864');
    db.pragma('mmap_size = 0');
    // The system caches the file as well; SQLite's own share would only grow with the catalogue.
    db.pragma('cache_size = -2048');
    db.prepare('SELECT count(*) FROM sqlite_schema').get();
    assertSafe(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * A connection that only reads, for a disk without room: with the file to itself, SQLite keeps the index of its journal in memory and
 * not in a file of its own. Nobody else can open the database meanwhile. A Failure `state_unusable` where it is not of the shape
 * `version`: it can't be brought there.
 */
export function openSqliteToRead(file: string, version: number): Database.Database {
  const db = new Database(file, { timeout: BUSY_TIMEOUT_MS, fileMustExist: true });
  try {
    // Before the first read, which decides where that index lies.
    db.pragma('locking_mode = EXCLUSIVE');
    db.pragma('query_only = ON');
    db.pragma('trusted_schema = OFF');
    db.pragma('cell_size_check = ON');
    db.pragma('cache_size = -2048');
    if (db.pragma('user_version', { simple: true }) === version) return db;
    throw new Failure('state_unusable', 'The catalogue was written by another version of Mailferry.');
  } catch (error) {
    db.close();
    throw error;
  }
}

function assertSafe(db: Database.Database): void {
  const mode = db.pragma('journal_mode', { simple: true });
  const synchronous = db.pragma('synchronous', { simple: true });
  const version = String(db.prepare('SELECT sqlite_version()').pluck().get());
  if (mode !== 'wal' || synchronous !== 2 || isOlder(version)) {
    throw new Failure(
      'state_unusable',
      `SQLite ${version} does not keep what it was told to (${mode}, synchronous ${synchronous}).`,
    );
  }
}

function isOlder(version: string): boolean {
  const parts = version.split('.').map(Number);
  for (const [index, least] of OLDEST_SQLITE.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part < least;
  }
  return false;
}

/** Brings `db` to the newest shape in one transaction; a Failure `state_unusable` where it is newer than this program. */
export function migrate(db: Database.Database, steps: readonly string[]): void {
  const run = db.transaction(() => {
    const version = Number(db.pragma('user_version', { simple: true }));
    if (version > steps.length) {
      throw new Failure('state_unusable', 'The catalogue was written by a newer Mailferry than this one.');
    }
    for (const step of steps.slice(version)) db.exec(step);
    if (version < steps.length) db.pragma(`user_version = ${steps.length}`);
  });
  run.immediate();
}

/** Statements that are kept: those of a device's requests, and lists of a few lengths. */
const MOST_STATEMENTS = 200;
/** Longer ones, with hundreds of values, come in too many forms to be worth their memory: characters. */
const LONGEST_KEPT = 4_096;

/** A connection that keeps the statements it prepared: preparing one takes longer than most of them do. */
class KeptStatements {
  readonly #db: Database.Database;
  /** By their text, the one used longest ago first. */
  readonly #kept = new Map<string, Database.Statement<unknown[]>>();

  constructor(db: Database.Database) {
    this.#db = db;
  }

  prepare(text: string): Database.Statement<unknown[]> {
    const kept = this.#kept.get(text);
    // One that is read row by row is nobody else's.
    if (kept?.busy || text.length > LONGEST_KEPT) return this.#db.prepare(text);
    this.#kept.delete(text);
    const statement = kept ?? this.#db.prepare<unknown[]>(text);
    this.#kept.set(text, statement);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MOST_STATEMENTS) this.#kept.delete(oldest!);
    return statement;
  }

  close(): void {
    this.#kept.clear();
    this.#db.close();
  }
}

/** Kysely's SQLite, but a transaction takes the write lock at its start: a later upgrade would fail and not wait. */
export class ImmediateSqliteDialect extends SqliteDialect {
  readonly #db: KeptStatements;

  constructor(connection: Database.Database) {
    const db = new KeptStatements(connection);
    super({ database: db });
    this.#db = db;
  }

  override createDriver(): SqliteDriver {
    return new ImmediateDriver({ database: this.#db });
  }
}

class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }
}

/** Whether an error says that the database itself is damaged, and not that the disk, its room or a permission is in the way. */
export function isDamage(error: unknown): boolean {
  // A file that was cut off ends in the middle of a page.
  return /^SQLITE_(CORRUPT|NOTADB|IOERR_SHORT_READ)/.test(codeOf(error));
}

/**
 * What is wrong with the database in `file`, or null: its pages, its indexes and its references are read through. A Failure
 * `state_unusable` where it can't be read for another reason than damage.
 */
export function checkSqlite(file: string): string | null {
  let db: Database.Database | undefined;
  try {
    db = openSqlite(file);
    const integrity = String(db.pragma('integrity_check(1)', { simple: true }));
    if (integrity !== 'ok') return integrity.replaceAll('\n', ' ');
    if (db.pragma('user_version', { simple: true }) === 0) return 'it is empty';
    if ((db.pragma('foreign_key_check') as unknown[]).length > 0) return 'rows refer to rows that are gone';
    // All of the journal into the file: what is renamed afterwards is one file.
    db.pragma('wal_checkpoint(TRUNCATE)');
    return null;
  } catch (error) {
    const { message } = error as Error;
    if (isDamage(error)) return message;
    if (error instanceof Failure) throw error;
    throw new Failure('state_unusable', `${file} can't be read (${message}).`, { cause: error });
  } finally {
    db?.close();
  }
}
