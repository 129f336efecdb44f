// One server for a data directory: the lock is SQLite's, so the system lets go of it however the process ends.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Failure } from '../shared/failure.ts';
import { codeOf } from './disk-failure.ts';

/** Holds `directory` for this process until the function returned is called. A Failure `state_locked` where another has it. */
export function lockDirectory(directory: string): () => void {
  const db = new Database(join(directory, 'lock.db'), { timeout: 0 });
  try {
    // Nothing is ever written; with a journal in a file, a full disk would keep the lock from being had.
    db.pragma('journal_mode = MEMORY');
    db.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    db.close();
    if (!codeOf(cause).startsWith('SQLITE_BUSY')) throw cause;
    throw new Failure(
      'state_locked',
      `Another server is running on the data directory ${directory}, or a backup is written there.`,
      {
        cause,
      },
    );
  }
  return () => db.close();
}
