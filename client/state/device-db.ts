// The device's database: opened so that what is committed survives a power cut, brought to the newest schema, one owner.
import { chmodSync, closeSync, existsSync, openSync, renameSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { Failure } from '../../shared/failure.ts';
import { deviceFailure } from '../device-failure.ts';
import { patientlySync } from '../patiently.ts';
import { MIGRATIONS } from './device-schema.ts';

export type DeviceDb = Database.Database;

/** SQLite before this has a bug by which two connections can damage a WAL (sqlite.org, WAL-reset, March 2026). */
const LEAST_SQLITE = [3, 51, 3];

/**
 * Opens `path`, creating it where it is missing. Failures: `state_damaged` where it is not a whole database, `staging_full` where
 * the disk is full, `state_unusable` where it can't be used safely for another reason.
 */
export function openDeviceDb(path: string, options: { readonly?: boolean } = {}): DeviceDb {
  const unusable = (cause: unknown) =>
    new Failure('state_unusable', `The device database ${path} can't be opened.`, { cause });
  let db: DeviceDb;
  try {
    if (!options.readonly) keepFromOthers(path);
    db = new Database(path, { timeout: 5_000, readonly: options.readonly ?? false });
  } catch (cause) {
    throw unusable(cause);
  }
  try {
    if (!options.readonly) {
      setUp(db);
      migrate(db, path);
      assertWhole(db);
    }
    return db;
  } catch (cause) {
    db.close();
    const failure = deviceFailure(cause);
    throw failure.code === 'internal' ? unusable(cause) : failure;
  }
}

/** Makes a database readable by its owner alone, before anything is in it; SQLite gives its journals the same rights. */
function keepFromOthers(path: string): void {
  if (process.platform === 'win32') return;
  // Never opened where it is there: closing it would let go of the locks that SQLite holds on it in this process.
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
  for (const file of [path, `${path}-wal`, `${path}-shm`])
    if (existsSync(file) && (statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
}

/** Puts a damaged database aside, so that a new one can take its place: nothing is deleted that somebody may want to look at. */
export function putAside(path: string, now: number): void {
  const aside = `${path}.damaged-${new Date(now).toISOString().replaceAll(':', '-')}`;
  for (const ending of ['', '-wal', '-shm'])
    if (existsSync(path + ending)) patientlySync(() => renameSync(path + ending, aside + ending));
}

/** Larger databases are only checked as they are read: the check reads all of it. */
const CHECKED_BYTES = 67_108_864;

function assertWhole(db: DeviceDb): void {
  const bytes =
    Number(db.pragma('page_count', { simple: true })) * Number(db.pragma('page_size', { simple: true }));
  if (bytes > CHECKED_BYTES) return;
  const found = db.pragma('quick_check(1)', { simple: true });
  if (found !== 'ok') throw new Failure('state_damaged', `The device's database is damaged: ${found}.`);
}

function setUp(db: DeviceDb): void {
  db.pragma('journal_mode = WAL');
  // better-sqlite3 is built to run a WAL at NORMAL, which loses the newest commits in a power cut: say FULL, and look.
  db.pragma('synchronous = FULL');
  db.pragma('foreign_keys = ON');
  db.pragma('trusted_schema = OFF');
  db.pragma('cell_size_check = ON');
  db.pragma('journal_size_limit = 67108864');
  const version = String(db.prepare('SELECT sqlite_version()').pluck().get());
  const parts = version.split('.').map(Number);
  const older = LEAST_SQLITE.findIndex((least, i) => (parts[i] ?? 0) !== least);
  if (older !== -1 && (parts[older] ?? 0) < (LEAST_SQLITE[older] ?? 0)) {
    throw new Failure(
      'state_unusable',
      `SQLite ${version} is too old to be trusted with a queue; 3.51.3 is needed.`,
    );
  }
  if (db.pragma('synchronous', { simple: true }) !== 2) {
    throw new Failure(
      'state_unusable',
      'SQLite did not accept synchronous=FULL, so commits would not be durable.',
    );
  }
}

function migrate(db: DeviceDb, path: string): void {
  const at = Number(db.pragma('user_version', { simple: true }));
  if (at > MIGRATIONS.length) {
    throw new Failure('state_unusable', `The device database ${path} was written by a newer Mailferry.`);
  }
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < at) continue;
    db.transaction(() => {
      db.exec(sql);
      db.pragma(`user_version = ${index + 1}`);
    }).immediate();
  }
}
