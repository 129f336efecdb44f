// The catalogue: what the server knows, in SQLite. What belongs to a device is reached through that device alone.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { Failure } from '../../shared/failure.ts';
import { assertFinished } from '../backup/unfinished.ts';
import { codeOf } from '../disk-failure.ts';
import { DeviceCatalogue } from './device-catalogue.ts';
import { Enrolment } from './enrolment.ts';
import { KeyRow } from './key-row.ts';
import { MIGRATIONS } from './migrations.ts';
import { Kysely, sql } from './query-builder.ts';
import type { Schema } from './schema.ts';
import { ImmediateSqliteDialect, isDamage, migrate, openSqlite, openSqliteToRead } from './sqlite.ts';

/** The catalogue's name in a data directory. */
export const CATALOGUE = 'catalogue.db';

export class Catalogue {
  readonly #db: Kysely<Schema>;
  readonly enrolment: Enrolment;
  readonly key: KeyRow;

  /**
   * Opens or creates the catalogue in `directory`. A Failure `state_unusable` where it can't be relied on, or is gone while there
   * are vaults: an empty one would let no device in. `readOnly`: where the disk is full; nothing is written, not even beside it, and
   * no other process can open it meanwhile.
   */
  constructor(directory: string, file = CATALOGUE, { readOnly = false } = {}) {
    if (file === CATALOGUE) assertFinished(directory);
    if (file === CATALOGUE && !existsSync(join(directory, file)) && hasVaults(directory)) {
      throw new Failure(
        'state_unusable',
        `The catalogue in ${directory} is gone, but there are vaults: run \`mailferry server rebuild --data ${directory}\`.`,
      );
    }
    this.#db = new Kysely<Schema>({
      dialect: new ImmediateSqliteDialect(openWhole(directory, file, readOnly)),
    });
    this.enrolment = new Enrolment(this.#db);
    this.key = new KeyRow(this.#db);
  }

  /** Everything a request of this device can see or change. */
  forDevice(device: string): DeviceCatalogue {
    return new DeviceCatalogue(this.#db, device);
  }

  /** Forgets the uploads under way: of a copy, which has none of their bytes. */
  async dropUnfinishedUploads(): Promise<void> {
    await this.#db.deleteFrom('uploads').where('finished', '=', 0).execute();
  }

  /** Rejects where the database does not answer. */
  async check(): Promise<void> {
    await sql`SELECT 1`.execute(this.#db);
  }

  async close(): Promise<void> {
    await this.#db.destroy();
  }
}

function openWhole(directory: string, file: string, readOnly: boolean): Database.Database {
  let sqlite: Database.Database | undefined;
  try {
    if (readOnly) return openSqliteToRead(join(directory, file), MIGRATIONS.length);
    sqlite = openSqlite(join(directory, file));
    migrate(sqlite, MIGRATIONS);
    return sqlite;
  } catch (error) {
    sqlite?.close();
    if (!codeOf(error).startsWith('SQLITE_')) throw error;
    const { message } = error as Error;
    const advice =
      file === CATALOGUE && isDamage(error)
        ? `is damaged (${message}): run \`mailferry server rebuild --data ${directory}\`.`
        : `can't be opened (${message}).`;
    throw new Failure('state_unusable', `The catalogue in ${directory} ${advice}`, { cause: error });
  }
}

function hasVaults(directory: string): boolean {
  try {
    return readdirSync(join(directory, 'vaults')).some((name) => /^[0-9a-f]{32}$/.test(name));
  } catch {
    return false;
  }
}
