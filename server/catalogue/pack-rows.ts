// A device's packs: a row says that the file is whole, checked and durable.
import type { Kysely } from 'kysely';
import type { PackKind, Schema } from './schema.ts';

export interface PackRow {
  /** Its number inside the catalogue; what the map of a version names it by. */
  readonly row: number;
  /** SHA-256 of its bytes. */
  readonly id: string;
  readonly kind: PackKind;
  /** Bytes of the file. */
  readonly stored: number;
  /** Bytes that its frames unfold to; of a raw pack the same as stored. */
  readonly raw: number;
  /** 1: its bytes are not there. */
  readonly lost: 0 | 1;
}

/** SQLite allows 32,766 variables in a statement; far fewer keep each one quick. */
const AT_ONCE = 500;

export class PackRows {
  readonly #db: Kysely<Schema>;
  readonly #device: string;

  constructor(db: Kysely<Schema>, device: string) {
    this.#db = db;
    this.#device = device;
  }

  /** Records a pack whose bytes are there; one that is known already keeps its row, and is lost no more. The number of the row. */
  async add({ id, kind, stored, raw }: Omit<PackRow, 'row' | 'lost'>): Promise<number> {
    await this.#db
      .insertInto('packs')
      .values({ device: this.#device, id, kind, stored, raw, lost: 0 })
      .onConflict((conflict) =>
        conflict.columns(['device', 'id', 'kind']).doUpdateSet({ stored, raw, lost: 0 }),
      )
      .execute();
    const { row } = await this.#all().where('id', '=', id).where('kind', '=', kind).executeTakeFirstOrThrow();
    return row;
  }

  async get(id: string, kind: PackKind): Promise<PackRow | undefined> {
    return this.#all().where('id', '=', id).where('kind', '=', kind).executeTakeFirst();
  }

  /** Records that the bytes of a pack are gone, whatever kind of pack it is; one that is not known gets no row. */
  async lose(id: string): Promise<void> {
    await this.#db
      .updateTable('packs')
      .set({ lost: 1 })
      .where('device', '=', this.#device)
      .where('id', '=', id)
      .execute();
  }

  /** The rows of all packs whose bytes are gone. */
  async lost(): Promise<PackRow[]> {
    return this.#all().where('lost', '=', 1).execute();
  }

  /** Bytes of all packs that are there. */
  async bytes(): Promise<number> {
    const { sum } = await this.#db
      .selectFrom('packs')
      .select((row) => row.fn.sum<number | null>('stored').as('sum'))
      .where('device', '=', this.#device)
      .where('lost', '=', 0)
      .executeTakeFirstOrThrow();
    return Number(sum ?? 0);
  }

  /** Packs in the order of their rows, from the one after row `after` on. */
  async page(after: number, limit: number): Promise<PackRow[]> {
    return this.#all().where('row', '>', after).orderBy('row').limit(limit).execute();
  }

  /** The packs that were recorded last and are there, newest first. */
  async newest(limit: number): Promise<PackRow[]> {
    return this.#all().where('lost', '=', 0).orderBy('row', 'desc').limit(limit).execute();
  }

  /**
   * Those of `ids` that are known and there, by their id. Raw packs don't count: no commit can name one. Others are served between the
   * portions. Ends where more than `mostMissing` of those looked at are not there.
   */
  async known(ids: readonly string[], mostMissing = Number.POSITIVE_INFINITY): Promise<Map<string, PackRow>> {
    const found = new Map<string, PackRow>();
    for (let at = 0; at < ids.length && at - found.size <= mostMissing; at += AT_ONCE) {
      if (at > 0) await new Promise(setImmediate);
      const rows = await this.#all()
        .where('kind', '=', 'pack')
        .where('lost', '=', 0)
        .where('id', 'in', ids.slice(at, at + AT_ONCE))
        .execute();
      for (const row of rows) found.set(row.id, row);
    }
    return found;
  }

  async byRow(row: number): Promise<PackRow | undefined> {
    return this.#all().where('row', '=', row).executeTakeFirst();
  }

  #all() {
    return this.#db
      .selectFrom('packs')
      .select(['row', 'id', 'kind', 'stored', 'raw', 'lost'])
      .where('device', '=', this.#device);
  }
}
