// The device's database for one life: the real one in memory, whose every commit is an effect that the process may die before or after.
import Database from 'better-sqlite3';
import type { DeviceDb } from '../../client/state/device-db.ts';
import { MIGRATIONS } from '../../client/state/device-schema.ts';
import type { Life } from './life.ts';

/** Databases that are free again: to empty one takes less than to make one and to prepare what it is asked. */
const free: DeviceDb[] = [];

/** A new, empty database of the newest schema. */
export function newDeviceDb(): DeviceDb {
  const used = free.pop();
  if (used) {
    used.exec(
      'DELETE FROM packs; DELETE FROM backups; DELETE FROM sources; DELETE FROM receipts; DELETE FROM forgotten_receipts; DELETE FROM snapshots; DELETE FROM facts',
    );
    return used;
  }
  const db = opened(':memory:');
  for (const sql of MIGRATIONS) db.exec(sql);
  return db;
}

/** The database of a copy that db.serialize() made. */
export function restoredDb(copy: Buffer): DeviceDb {
  return opened(copy);
}

function opened(from: Buffer | string): DeviceDb {
  const db = new Database(from as string);
  db.pragma('foreign_keys = ON');
  db.pragma('trusted_schema = OFF');
  return db;
}

/** Nobody uses it any more. */
export function giveBack(db: DeviceDb): void {
  free.push(db);
}

/** Prepared once for a database. */
const prepared = new WeakMap<DeviceDb, Map<string, Database.Statement<unknown[], unknown>>>();

export function statement<Row = unknown>(db: DeviceDb, sql: string): Database.Statement<unknown[], Row> {
  const known = prepared.get(db) ?? new Map<string, Database.Statement<unknown[], unknown>>();
  prepared.set(db, known);
  const found = known.get(sql) ?? db.prepare<unknown[], unknown>(sql);
  known.set(sql, found);
  return found as Database.Statement<unknown[], Row>;
}

/**
 * `db` as one life sees it. A commit is durable at once, as with synchronous=FULL (test/client/state/device-db.test.ts); what was not
 * committed at a death is gone. `committed` is told of each commit; `full`: whether there is no room for this one.
 */
export function liveDb(
  db: DeviceDb,
  life: Life,
  { committed, full }: { committed: () => void; full: () => boolean },
): DeviceDb {
  const commit = <T>(work: () => T): T => {
    if (db.inTransaction) return work();
    life.effect();
    if (full()) throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
    const result = work();
    committed();
    life.effect();
    return result;
  };
  const view = {
    prepare(sql: string) {
      if (!life.alive) life.effect();
      const real = statement(db, sql);
      if (/^\s*SELECT/i.test(sql)) return real;
      return { run: (...values: unknown[]) => commit(() => real.run(...values)) };
    },
    transaction(work: () => unknown) {
      const real = db.transaction(work);
      return { immediate: () => commit(() => real.immediate()) };
    },
  };
  return view as unknown as DeviceDb;
}
