// A device's versions and their receipts: a version is here only with its receipt, and what is here is restorable.
import type { Kysely, Selectable } from 'kysely';
import type { Receipt } from '../../shared/receipt.ts';
import { sql } from './query-builder.ts';
import type { Schema } from './schema.ts';

export type VersionRow = Omit<Selectable<Schema['versions']>, 'device' | 'damaged'>;

/** A version, its receipt, and the place that this has in the chain. */
export type ReceiptedRow = VersionRow & Receipt & { readonly place: number };

export class VersionRows {
  readonly #db: Kysely<Schema>;
  readonly #device: string;

  constructor(db: Kysely<Schema>, device: string) {
    this.#db = db;
    this.#device = device;
  }

  /** Size, root and map of a version, and what a replay is told by. */
  async map(id: string) {
    return this.#db
      .selectFrom('versions')
      .select(['id', 'path', 'size', 'root', 'mtime', 'complete', 'body_hash', 'pages', 'damaged'])
      .where('device', '=', this.#device)
      .where('id', '=', id)
      .executeTakeFirst();
  }

  /** Bytes of the maps of all of them, and of their rows, which have a kilobyte with receipt and indexes. */
  async bytes(): Promise<number> {
    const { sum } = await this.#db
      .selectFrom('versions')
      .select(sql<number | null>`sum(length(pages) + 1024)`.as('sum'))
      .where('device', '=', this.#device)
      .executeTakeFirstOrThrow();
    return Number(sum ?? 0);
  }

  /** Maps in the order of their sequence, from the one after `sequence` on. */
  async mapsAfter(sequence: number, limit: number) {
    return this.#db
      .selectFrom('versions')
      .select(['id', 'sequence', 'size', 'root', 'pages', 'damaged'])
      .where('device', '=', this.#device)
      .where('sequence', '>', sequence)
      .orderBy('sequence')
      .limit(limit)
      .execute();
  }

  /** Notes how many blocks a version lacks. */
  async setDamaged(sequence: number, blocks: number): Promise<void> {
    await this.#db
      .updateTable('versions')
      .set({ damaged: blocks })
      .where('device', '=', this.#device)
      .where('sequence', '=', sequence)
      .execute();
  }

  async anyDamaged(): Promise<boolean> {
    const row = await this.#db
      .selectFrom('versions')
      .select('id')
      .where('device', '=', this.#device)
      .where('damaged', '>', 0)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** No version lacks anything. */
  async clearDamage(): Promise<void> {
    await this.#db
      .updateTable('versions')
      .set({ damaged: 0 })
      .where('device', '=', this.#device)
      .where('damaged', '>', 0)
      .execute();
  }

  /**
   * The receipts of all versions with what the versions' own rows say of the same, in the order of their sequence, from the one after
   * `sequence` on.
   */
  async receiptsAfter(sequence: number, limit: number) {
    return this.#db
      .selectFrom('receipts')
      .innerJoin('versions', (join) =>
        join.onRef('versions.device', '=', 'receipts.device').onRef('versions.id', '=', 'receipts.version'),
      )
      .select(['receipts.sequence', 'receipts.statement', 'receipts.signature'])
      .select([
        'versions.sequence as place',
        'versions.id',
        'versions.path',
        'versions.size',
        'versions.sha256',
        'versions.root',
      ])
      .select(['versions.complete', 'versions.received_at'])
      .where('receipts.device', '=', this.#device)
      .where('receipts.sequence', '>', sequence)
      .orderBy('receipts.sequence')
      .limit(limit)
      .execute();
  }

  /** All that the catalogue has of versions, and their receipts, in the order of those, from the one after `sequence` on. */
  async after(sequence: number, limit: number): Promise<ReceiptedRow[]> {
    return this.#db
      .selectFrom('receipts')
      .innerJoin('versions', (join) =>
        join.onRef('versions.device', '=', 'receipts.device').onRef('versions.id', '=', 'receipts.version'),
      )
      .selectAll('versions')
      .select(['receipts.sequence as place', 'receipts.statement', 'receipts.signature'])
      .where('receipts.device', '=', this.#device)
      .where('receipts.sequence', '>', sequence)
      .orderBy('receipts.sequence')
      .limit(limit)
      .execute();
  }

  /** The places and ids of the versions that have a receipt, in that order, from the one after `sequence` on. */
  async placesAfter(sequence: number, limit: number): Promise<{ sequence: number; id: string }[]> {
    return this.#db
      .selectFrom('receipts')
      .select(['sequence', 'version as id'])
      .where('device', '=', this.#device)
      .where('sequence', '>', sequence)
      .orderBy('sequence')
      .limit(limit)
      .execute();
  }

  /** The newest receipt and its sequence: what the next one is chained to. */
  async lastReceipt(): Promise<(Receipt & { sequence: number }) | undefined> {
    return this.#db
      .selectFrom('receipts')
      .select(['sequence', 'statement', 'signature'])
      .where('device', '=', this.#device)
      .orderBy('sequence', 'desc')
      .limit(1)
      .executeTakeFirst();
  }

  /** Records a version with its receipt. Only inside a transaction. */
  async add(version: VersionRow, receipt: Receipt): Promise<void> {
    await this.#db
      .insertInto('versions')
      .values({ device: this.#device, ...version })
      .execute();
    const { sequence, id } = version;
    const { statement, signature } = receipt;
    await this.#db
      .insertInto('receipts')
      .values({ device: this.#device, sequence, version: id, statement, signature })
      .execute();
  }
}
