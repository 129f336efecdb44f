// The change lists that a device sent and that no commit has used yet. Their bytes are in the vault.
import type { Kysely } from 'kysely';
import type { Schema } from './schema.ts';

export class ChangeListRows {
  readonly #db: Kysely<Schema>;
  readonly #device: string;

  constructor(db: Kysely<Schema>, device: string) {
    this.#db = db;
    this.#device = device;
  }

  /** Idempotent; a list that came again is as young as its last coming. */
  async add(list: {
    readonly id: string;
    readonly bytes: number;
    readonly receivedAt: string;
  }): Promise<void> {
    const { id, bytes, receivedAt } = list;
    await this.#db
      .insertInto('change_lists')
      .values({ device: this.#device, id, bytes, received_at: receivedAt })
      .onConflict((conflict) => conflict.columns(['device', 'id']).doUpdateSet({ received_at: receivedAt }))
      .execute();
  }

  /** Bytes of a list; undefined: it is not here. */
  async bytesOf(id: string): Promise<number | undefined> {
    const row = await this.#db
      .selectFrom('change_lists')
      .select('bytes')
      .where('device', '=', this.#device)
      .where('id', '=', id)
      .executeTakeFirst();
    return row?.bytes;
  }

  /** Bytes of all of them. */
  async bytes(): Promise<number> {
    const { bytes } = await this.#db
      .selectFrom('change_lists')
      .select((row) => row.fn.sum<number | null>('bytes').as('bytes'))
      .where('device', '=', this.#device)
      .executeTakeFirstOrThrow();
    return Number(bytes ?? 0);
  }

  /** The ids of all, or of those that came before `instant` (ISO 8601). */
  async ids(instant?: string): Promise<string[]> {
    let query = this.#db.selectFrom('change_lists').select('id').where('device', '=', this.#device);
    if (instant !== undefined) query = query.where('received_at', '<', instant);
    return (await query.execute()).map(({ id }) => id);
  }

  /** Idempotent. */
  async remove(id: string): Promise<void> {
    await this.#db
      .deleteFrom('change_lists')
      .where('device', '=', this.#device)
      .where('id', '=', id)
      .execute();
  }
}
