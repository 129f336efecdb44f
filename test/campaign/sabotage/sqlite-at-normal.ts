// SQLite as better-sqlite3 opens it by itself: a WAL that is fsynced at checkpoints only.
import type Database from 'better-sqlite3';
import { openSqlite as openTrue } from '../../../server/catalogue/sqlite.ts';

export * from '../../../server/catalogue/sqlite.ts';

export function openSqlite(file: string): Database.Database {
  const db = openTrue(file);
  db.pragma('synchronous = NORMAL');
  return db;
}
