// Tokens and devices: how a machine comes to have a credential, and whose credential one is. Only hashes are stored.
import type { Kysely, Selectable } from 'kysely';
import { Failure } from '../../shared/failure.ts';
import type { Schema } from './schema.ts';

export interface Device {
  readonly id: string;
  readonly name: string;
}

export interface DeviceRow extends Device {
  /** SHA-256 of its credential. */
  readonly credential: Uint8Array;
  readonly createdAt: string;
  /** Its credential opens nothing from then on. */
  readonly revokedAt: string | null;
}

export interface TokenQuestion {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly by: string | undefined;
}

export class Enrolment {
  readonly #db: Kysely<Schema>;

  constructor(db: Kysely<Schema>) {
    this.#db = db;
  }

  /**
   * Makes a token valid `uses` times until `expiresAt` (milliseconds since 1970): for new devices, or for a new credential of the
   * device `device`, in place of any that was made for it before.
   */
  async addToken(
    hash: Uint8Array,
    uses: number,
    expiresAt: number,
    device: string | null = null,
  ): Promise<void> {
    await this.#db.transaction().execute(async (db) => {
      if (device !== null) await withdrawTokens(db, device);
      await db
        .insertInto('tokens')
        .values({ hash, uses_left: uses, expires_at: expiresAt, device })
        .execute();
    });
  }

  /**
   * What a token is good for now, without spending it: the device that it renews, or null for a new one. `by`: the device that asks,
   * undefined for a machine that is none yet. A Failure `token_refused`, the same for unknown, used up, expired and bound to another
   * device.
   */
  async renewedBy(tokenHash: Uint8Array, { now, by }: TokenQuestion): Promise<DeviceRow | null> {
    const token = await this.#db
      .selectFrom('tokens')
      .select('device')
      .where('hash', '=', tokenHash)
      .where('uses_left', '>', 0)
      .where('expires_at', '>', now)
      .executeTakeFirst();
    if (!token || (by !== undefined && by !== token.device)) throw tokenRefused();
    return token.device === null ? null : ((await this.device(token.device)) ?? null);
  }

  /**
   * Takes one use of a token and records what it is good for, both or neither: `asked` as a new device, or its credential as the only
   * one of the device that the token is bound to. However many ask at once, a token serves as often as it says. Failures as those of
   * renewedBy(). Returns the device as it is recorded, and whether it was one before.
   */
  async redeem(
    tokenHash: Uint8Array,
    asked: Omit<DeviceRow, 'revokedAt'>,
    { now, by }: TokenQuestion,
  ): Promise<{ device: DeviceRow; renewed: boolean }> {
    return this.#db.transaction().execute(async (db) => {
      const taken = await db
        .updateTable('tokens')
        .set((row) => ({ uses_left: row('uses_left', '-', 1) }))
        .where('hash', '=', tokenHash)
        .where('uses_left', '>', 0)
        .where('expires_at', '>', now)
        .returning('device')
        .executeTakeFirst();
      // Thrown inside the transaction: the use is not lost.
      if (!taken || (by !== undefined && by !== taken.device)) throw tokenRefused();
      const renewed = taken.device !== null;
      if (renewed) await withdrawTokens(db, taken.device!);
      const device = renewed
        ? await renewCredential(db, taken.device!, asked.credential)
        : await addDevice(db, asked);
      return { device, renewed };
    });
  }

  /** Records a device that the vault knows. One that is known already stays as it is. */
  async addKnown({ id, name, credential, createdAt, revokedAt }: DeviceRow): Promise<void> {
    await this.#db
      .insertInto('devices')
      .values({ id, name, credential, created_at: createdAt, revoked_at: revokedAt })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute();
  }

  /**
   * From now on neither the credential of device `id` nor a token made for it until now opens anything. Idempotent: the first time
   * counts.
   */
  async revoke(id: string, at: string): Promise<DeviceRow> {
    return this.#db.transaction().execute(async (db) => {
      await withdrawTokens(db, id);
      const row = await db
        .updateTable('devices')
        .set((row) => ({ revoked_at: row.fn.coalesce('revoked_at', row.val(at)) }))
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirstOrThrow();
      return deviceOfRow(row);
    });
  }

  /** Takes over what the vault, which is always written first, says of a device: tokens made for it before that are good for nothing. */
  async takeOver(
    id: string,
    { credential, revokedAt }: Pick<DeviceRow, 'credential' | 'revokedAt'>,
  ): Promise<void> {
    await this.#db.transaction().execute(async (db) => {
      await withdrawTokens(db, id);
      await db
        .updateTable('devices')
        .set({ credential, revoked_at: revokedAt })
        .where('id', '=', id)
        .execute();
    });
  }

  /** All devices, in the order they were enrolled. */
  async devices(): Promise<DeviceRow[]> {
    const rows = await this.#db
      .selectFrom('devices')
      .selectAll()
      .orderBy('created_at')
      .orderBy('id')
      .execute();
    return rows.map(deviceOfRow);
  }

  async device(id: string): Promise<DeviceRow | undefined> {
    const row = await this.#db.selectFrom('devices').selectAll().where('id', '=', id).executeTakeFirst();
    return row && deviceOfRow(row);
  }

  /** The devices of which packs were lost or came back since their versions were last counted. */
  async uncountedIds(): Promise<string[]> {
    const rows = await this.#db.selectFrom('devices').select('id').where('uncounted', '>', 0).execute();
    return rows.map((row) => row.id);
  }

  /** The device whose credential has this hash. A search by the hash of 256 random bits tells a guesser nothing. */
  async deviceOf(credentialHash: Uint8Array): Promise<Device | undefined> {
    return this.#db
      .selectFrom('devices')
      .select(['id', 'name'])
      .where('credential', '=', credentialHash)
      .where('revoked_at', 'is', null)
      .executeTakeFirst();
  }

  async deviceIds(): Promise<string[]> {
    const rows = await this.#db.selectFrom('devices').select('id').execute();
    return rows.map((row) => row.id);
  }
}

function tokenRefused(): Failure {
  return new Failure('token_refused', 'The enrolment token is not valid.');
}

async function withdrawTokens(db: Kysely<Schema>, device: string): Promise<void> {
  await db.deleteFrom('tokens').where('device', '=', device).execute();
}

async function addDevice(db: Kysely<Schema>, device: Omit<DeviceRow, 'revokedAt'>): Promise<DeviceRow> {
  const { id, name, credential, createdAt } = device;
  await db
    .insertInto('devices')
    .values({ id, name, credential, created_at: createdAt, revoked_at: null })
    .execute();
  return { ...device, revokedAt: null };
}

/** A device that was revoked is let in again: whoever made the token wants it so. */
async function renewCredential(db: Kysely<Schema>, id: string, credential: Uint8Array): Promise<DeviceRow> {
  const row = await db
    .updateTable('devices')
    .set({ credential, revoked_at: null })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
  return deviceOfRow(row);
}

function deviceOfRow(row: Selectable<Schema['devices']>): DeviceRow {
  return {
    id: row.id,
    name: row.name,
    credential: row.credential,
    createdAt: row.created_at,
    revokedAt: row.revoked_at,
  };
}
