// The catalogue: what the server knows, in SQLite. What belongs to a device is reached through that device alone.
import { join } from 'node:path';
import { Kysely, sql } from 'kysely';
import { DeviceCatalogue } from './device-catalogue.ts';
import { Enrolment } from './enrolment.ts';
import { MIGRATIONS } from './migrations.ts';
import type { Schema } from './schema.ts';
import { ImmediateSqliteDialect, migrate, openSqlite } from './sqlite.ts';

export class Catalogue {
  readonly #db: Kysely<Schema>;
  readonly enrolment: Enrolment;

  /** Opens or creates `catalogue.db` in `directory`. A Failure `state_unusable` where it can't be relied on. */
  constructor(directory: string) {
    const sqlite = openSqlite(join(directory, 'catalogue.db'));
    try {
      migrate(sqlite, MIGRATIONS);
    } catch (error) {
      sqlite.close();
      throw error;
    }
    this.#db = new Kysely<Schema>({ dialect: new ImmediateSqliteDialect(sqlite) });
    this.enrolment = new Enrolment(this.#db);
  }

  /** Everything a request of this device can see or change. */
  forDevice(device: string): DeviceCatalogue {
    return new DeviceCatalogue(this.#db, device);
  }

  /** Rejects where the database does not answer. */
  async check(): Promise<void> {
    await sql`SELECT 1`.execute(this.#db);
  }

  async close(): Promise<void> {
    await this.#db.destroy();
  }
}
