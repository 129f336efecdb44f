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
   * Takes one use of a token and records what it is good for, both or neither: `asked` as a new device, or its credential as the only
   * one of the device that the token is bound to. However many ask at once, a token serves as often as it says. `by`: the device
   * that asks, undefined for a machine that is none yet. A Failure `token_refused`, the same for unknown, used up, expired and bound
   * to another device. `keep` is called when the token was found good; where it fails, nothing is recorded and the token is
   * as good as before. Returns the device as it is recorded, and whether it was one before.
   */
  async redeem(
    tokenHash: Uint8Array,
    asked: Omit<DeviceRow, 'revokedAt'>,
    { now, by, keep }: { now: number; by: string | undefined; keep: (device: DeviceRow) => Promise<void> },
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
      if (!taken || (by !== undefined && by !== taken.device))
        throw new Failure('token_refused', 'The enrolment token is not valid.');
      const renewed = taken.device !== null;
      if (renewed) await withdrawTokens(db, taken.device!);
      const device = renewed
        ? await renewCredential(db, taken.device!, asked.credential)
        : await addDevice(db, asked);
      await keep(device);
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
   * counts. `keep` is called with the device as it will be; where it fails, nothing is recorded.
   */
  async revoke(
    id: string,
    at: string,
    keep: (device: DeviceRow) => Promise<void> = async () => undefined,
  ): Promise<DeviceRow> {
    return this.#db.transaction().execute(async (db) => {
      await withdrawTokens(db, id);
      const row = await db
        .updateTable('devices')
        .set((row) => ({ revoked_at: row.fn.coalesce('revoked_at', row.val(at)) }))
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirstOrThrow();
      const device = deviceOfRow(row);
      await keep(device);
      return device;
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
