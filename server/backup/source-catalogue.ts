// The catalogue that a backup is taken from, read as it was at one moment, however much a server writes meanwhile.
import { existsSync } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Failure } from '../../shared/failure.ts';
import type { Receipt } from '../../shared/receipt.ts';
import { CATALOGUE } from '../catalogue/catalogue.ts';
import { MIGRATIONS } from '../catalogue/migrations.ts';
import { checkSqlite } from '../catalogue/sqlite.ts';

/** 16 MiB at SQLite's pages of 4 KiB: then others get a turn. */
const PAGES_AT_ONCE = 4_096;
const BUSY_TIMEOUT_MS = 10_000;

export class SourceCatalogue {
  readonly #file: string;
  /** In one read transaction from the beginning: SQLite's online backup then copies that state and never has to begin again. */
  readonly #then: Database.Database;
  /** Sees what is committed meanwhile. */
  readonly #now: Database.Database;

  /** Failures `state_unusable`: there is no catalogue, it can't be read, or it was written by a newer program. */
  constructor(directory: string) {
    this.#file = join(directory, CATALOGUE);
    if (!existsSync(this.#file)) {
      throw new Failure('state_unusable', `There is no catalogue in ${directory}.`);
    }
    this.#then = openToRead(this.#file);
    this.#now = openToRead(this.#file);
    try {
      this.#then.exec('BEGIN');
      if (Number(this.#then.pragma('user_version', { simple: true })) > MIGRATIONS.length) {
        throw new Failure('state_unusable', 'The catalogue was written by a newer Mailferry than this one.');
      }
      this.#then.prepare('SELECT count(*) FROM devices').get();
    } catch (error) {
      this.close();
      if (error instanceof Failure) throw error;
      throw cantBeRead(this.#file, error);
    }
  }

  /** Bytes of the database with its journal. */
  async bytes(): Promise<number> {
    const sizes = await Promise.all(
      [this.#file, `${this.#file}-wal`].map(async (file) => (existsSync(file) ? (await stat(file)).size : 0)),
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /** The statement of a receipt; undefined where there is none. */
  statement(device: string, sequence: number): string | undefined {
    return this.#then
      .prepare('SELECT statement FROM receipts WHERE device = ? AND sequence = ?')
      .pluck()
      .get(device, sequence) as string | undefined;
  }

  /** The public key of its receipts, where it was recorded. */
  knownKey(): string | undefined {
    const has = this.#then.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'receipt_key'").get();
    if (has === undefined) return undefined;
    return this.#then.prepare('SELECT public_key FROM receipt_key').pluck().get() as string | undefined;
  }

  /** The receipts that were recorded last. */
  newestReceipts(limit: number): Receipt[] {
    const rows = this.#then.prepare('SELECT statement, signature FROM receipts ORDER BY rowid DESC LIMIT ?');
    return rows.all(limit) as Receipt[];
  }

  hasDevice(device: string): boolean {
    return this.#then.prepare('SELECT 1 FROM devices WHERE id = ?').get(device) !== undefined;
  }

  /** Whether the pack is known as lost by now. */
  isLostNow(device: string, id: string): boolean {
    const rows = this.#now.prepare('SELECT lost FROM packs WHERE device = ? AND id = ?').pluck();
    return (rows.all(device, id) as number[]).includes(1);
  }

  /** Copies the database to `target`, a new file that only its owner may read, and reads the copy through. */
  async copyTo(target: string, progress: (done: number, total: number) => void): Promise<void> {
    for (const companion of ['', '-wal', '-shm']) await rm(target + companion, { force: true });
    await (await open(target, 'wx', 0o600)).close();
    await this.#then.backup(target, {
      progress: ({ totalPages, remainingPages }) => {
        progress(totalPages - remainingPages, totalPages);
        return PAGES_AT_ONCE;
      },
    });
    const wrong = checkSqlite(target);
    if (wrong !== null) {
      throw new Failure(
        'state_unusable',
        `The catalogue ${this.#file} is damaged (${wrong}): run \`mailferry server rebuild\`.`,
      );
    }
  }

  close(): void {
    this.#then.close();
    this.#now.close();
  }
}

function openToRead(file: string): Database.Database {
  try {
    return new Database(file, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  } catch (error) {
    throw cantBeRead(file, error);
  }
}

function cantBeRead(file: string, cause: unknown): Failure {
  return new Failure('state_unusable', `The catalogue ${file} can't be read (${(cause as Error).message}).`, {
    cause,
  });
}
