// A device's map pages: the parts that versions are put together from. Written once, shared by versions; what they say stays.
import type { Insertable, Kysely } from 'kysely';
import { sql } from './query-builder.ts';
import type { Schema } from './schema.ts';

const AT_ONCE = 200;

export class PageRows {
  readonly #db: Kysely<Schema>;
  readonly #device: string;

  constructor(db: Kysely<Schema>, device: string) {
    this.#db = db;
    this.#device = device;
  }

  /** The bytes of the pages asked for, by row. A page that is missing is missing from the answer too. */
  async get(rows: readonly number[]): Promise<Map<number, Uint8Array>> {
    const found = new Map<number, Uint8Array>();
    for (let at = 0; at < rows.length; at += AT_ONCE) {
      const some = await this.#db
        .selectFrom('map_pages')
        .select(['row', 'bytes'])
        .where('device', '=', this.#device)
        .where('row', 'in', rows.slice(at, at + AT_ONCE))
        .execute();
      for (const { row, bytes } of some) found.set(row, bytes);
    }
    return found;
  }

  /**
   * Adds pages and returns the number of the first; the others follow it. Only inside a transaction, which keeps
   * everybody else from taking the same numbers.
   */
  async add(pages: Iterable<Uint8Array>): Promise<number> {
    // Of all devices: the numbers are the table's, though nothing else is shared.
    const { last } = await this.#db
      .selectFrom('map_pages')
      .select((row) => row.fn.max('row').as('last'))
      .executeTakeFirstOrThrow();
    const first = Number(last ?? 0) + 1;
    let row = first;
    let some: Insertable<Schema['map_pages']>[] = [];
    for (const bytes of pages) {
      some.push({ row: row++, device: this.#device, bytes });
      if (some.length < AT_ONCE) continue;
      await this.#insert(some);
      some = [];
    }
    if (some.length > 0) await this.#insert(some);
    return first;
  }

  /** Bytes of all of them. */
  async bytes(): Promise<number> {
    const { sum } = await this.#db
      .selectFrom('map_pages')
      .select(sql<number | null>`sum(length(bytes) + 32)`.as('sum'))
      .where('device', '=', this.#device)
      .executeTakeFirstOrThrow();
    return Number(sum ?? 0);
  }

  /** Pages in the order of their rows, from the one after row `after` on. */
  async after(row: number, limit: number): Promise<{ row: number; bytes: Uint8Array }[]> {
    return this.#db
      .selectFrom('map_pages')
      .select(['row', 'bytes'])
      .where('device', '=', this.#device)
      .where('row', '>', row)
      .orderBy('row')
      .limit(limit)
      .execute();
  }

  /** Puts the same blocks, read from elsewhere, in the place of a page: its hashes must be the ones it had. */
  async replace(row: number, bytes: Uint8Array): Promise<void> {
    await this.#db
      .updateTable('map_pages')
      .set({ bytes })
      .where('device', '=', this.#device)
      .where('row', '=', row)
      .execute();
  }

  async #insert(rows: Insertable<Schema['map_pages']>[]): Promise<void> {
    await this.#db.insertInto('map_pages').values(rows).execute();
  }
}
