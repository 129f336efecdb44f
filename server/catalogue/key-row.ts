// The public key that the catalogue's receipts are signed for, and receipts by which an older catalogue learns it.
import type { Kysely } from 'kysely';
import type { Receipt } from '../../shared/receipt.ts';
import { sql } from './query-builder.ts';
import type { Schema } from './schema.ts';

export class KeyRow {
  readonly #db: Kysely<Schema>;

  constructor(db: Kysely<Schema>) {
    this.#db = db;
  }

  /** SPKI PEM; undefined where it was never recorded. */
  async get(): Promise<string | undefined> {
    const row = await this.#db.selectFrom('receipt_key').select('public_key').executeTakeFirst();
    return row?.public_key;
  }

  /** Idempotent. Replaces an earlier key. */
  async record(publicKey: string): Promise<void> {
    await this.#db
      .insertInto('receipt_key')
      .values({ only_row: 1, public_key: publicKey })
      .onConflict((conflict) => conflict.column('only_row').doUpdateSet({ public_key: publicKey }))
      .execute();
  }

  /** The receipts of all devices that were recorded last, newest first. */
  async newestReceipts(limit: number): Promise<Receipt[]> {
    return this.#db
      .selectFrom('receipts')
      .select(['statement', 'signature'])
      .orderBy(sql`rowid`, 'desc')
      .limit(limit)
      .execute();
  }
}
