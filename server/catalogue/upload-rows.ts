// A device's uploads: what each is to become and whether it has. How far it got is the length of its file.
import type { Kysely } from 'kysely';
import type { Schema, UploadKind } from './schema.ts';

export interface UploadRow {
  readonly id: string;
  readonly kind: UploadKind;
  /** Bytes it will have. */
  readonly length: number;
  readonly metadata: Readonly<Record<string, string | null>>;
  readonly createdAt: string;
  /** Of a file that is about to be published, or was: its raw pack. */
  readonly pack: string | null;
  readonly finished: boolean;
}

export class UploadRows {
  readonly #db: Kysely<Schema>;
  readonly #device: string;

  constructor(db: Kysely<Schema>, device: string) {
    this.#db = db;
    this.#device = device;
  }

  async add(upload: Omit<UploadRow, 'finished' | 'pack'>): Promise<void> {
    const { id, kind, length, metadata, createdAt } = upload;
    await this.#db
      .insertInto('uploads')
      .values({
        device: this.#device,
        id,
        kind,
        length,
        metadata: JSON.stringify(metadata),
        created_at: createdAt,
        pack: null,
        finished: 0,
      })
      .execute();
  }

  async get(id: string): Promise<UploadRow | undefined> {
    const row = await this.#all().where('id', '=', id).executeTakeFirst();
    return row && read(row);
  }

  /** How many uploads are not finished, and the bytes they will have. */
  async openSum(): Promise<{ count: number; bytes: number }> {
    const { count, bytes } = await this.#db
      .selectFrom('uploads')
      .select((row) => [
        row.fn.countAll<number>().as('count'),
        row.fn.sum<number | null>('length').as('bytes'),
      ])
      .where('device', '=', this.#device)
      .where('finished', '=', 0)
      .executeTakeFirstOrThrow();
    return { count: Number(count), bytes: Number(bytes ?? 0) };
  }

  async unfinished(): Promise<UploadRow[]> {
    return (await this.#all().where('finished', '=', 0).execute()).map(read);
  }

  /** Idempotent. */
  async notePack(id: string, pack: string): Promise<void> {
    await this.#db
      .updateTable('uploads')
      .set({ pack })
      .where('device', '=', this.#device)
      .where('id', '=', id)
      .execute();
  }

  /** Idempotent. */
  async finish(id: string): Promise<void> {
    await this.#db
      .updateTable('uploads')
      .set({ finished: 1 })
      .where('device', '=', this.#device)
      .where('id', '=', id)
      .execute();
  }

  /** Idempotent. */
  async remove(id: string): Promise<void> {
    await this.#db.deleteFrom('uploads').where('device', '=', this.#device).where('id', '=', id).execute();
  }

  #all() {
    return this.#db
      .selectFrom('uploads')
      .select(['id', 'kind', 'length', 'metadata', 'created_at', 'pack', 'finished'])
      .where('device', '=', this.#device);
  }
}

function read(row: {
  id: string;
  kind: UploadKind;
  length: number;
  metadata: string;
  created_at: string;
  pack: string | null;
  finished: 0 | 1;
}): UploadRow {
  return {
    id: row.id,
    kind: row.kind,
    length: row.length,
    metadata: JSON.parse(row.metadata) as Record<string, string | null>,
    createdAt: row.created_at,
    pack: row.pack,
    finished: row.finished === 1,
  };
}
