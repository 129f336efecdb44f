// Reads everything a server holds and compares it with its hashes: packs, maps, receipts, version objects. Beside a running server, too.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../../shared/byte-codec.ts';
import { Failure } from '../../shared/failure.ts';
import { MAX_PAGE, type VersionSummary } from '../../shared/protocol.ts';
import { CHAIN_START, chainText, type ReceiptStatement, readReceipt } from '../../shared/receipt.ts';
import { atOnce } from '../../shared/steps.ts';
import { assertFinished } from '../backup/unfinished.ts';
import { CATALOGUE, Catalogue } from '../catalogue/catalogue.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import { checkSqlite } from '../catalogue/sqlite.ts';
import { openKnownSigner } from '../known-key.ts';
import { FrameScratch } from '../pack/frame-scratch.ts';
import { PackReader } from '../pack/pack-reader.ts';
import type { ReceiptSigner } from '../receipt-key.ts';
import { sha256 } from '../sha256.ts';
import { FileVault } from '../vault/file.ts';
import type { Vault } from '../vault/vault.ts';
import { openMap, VersionReader } from '../version/version-reader.ts';
import { contain, recountDamage, recountWhereDue, stateOf } from './damage.ts';
import { type DamagedObject, REBUILD, verifyObjects } from './verify-objects.ts';

export interface VerifyOptions {
  readonly directory: string;
  /**
   * Take damaged packs out of use, so that they are asked for again, and packs that are whole again into use; write damaged and missing
   * version objects anew.
   */
  readonly repair: boolean;
  /** Told in bytes, of the packs of each device. */
  readonly progress: (device: string, done: number, total: number) => void;
}

export interface VerifiedDevice {
  readonly device: string;
  readonly name: string;
  readonly packs: number;
  readonly bytes: number;
  readonly versions: number;
  readonly damagedPacks: readonly {
    readonly id: string;
    /** unreadable: as it was taken, but this program can't unfold it; nothing is done about it. */
    readonly state: 'damaged' | 'contained' | 'lost' | 'healed' | 'unreadable';
  }[];
  /** Versions that lack blocks, as far as it is known at the end. */
  readonly damagedVersions: readonly {
    readonly id: string;
    readonly path: string;
    readonly blocks: number;
  }[];
  /** Versions whose object in the vault, of which a rebuild makes them again, was not as it should be. */
  readonly damagedObjects: readonly DamagedObject[];
  /** Maps, receipts and rows that are not what they were. */
  readonly trouble: readonly string[];
}

const AT_ONCE = 200;

/**
 * Verifies the vaults of a data directory. Changes nothing but with `repair`, except that versions are counted where packs were lost or
 * came back since. Failures: `state_unusable` where catalogue or key are
 * gone or the database itself is damaged, for which there is `server rebuild`.
 */
export async function verifyVaults({
  directory,
  repair,
  progress,
}: VerifyOptions): Promise<VerifiedDevice[]> {
  assertFinished(directory);
  const file = join(directory, CATALOGUE);
  if (!existsSync(file)) throw new Failure('state_unusable', `There is no catalogue in ${directory}.`);
  const wrong = checkSqlite(file);
  if (wrong !== null) {
    throw new Failure(
      'state_unusable',
      `The catalogue is damaged (${wrong}); stop the server and run \`mailferry server rebuild\`.`,
    );
  }
  const catalogue = new Catalogue(directory);
  const vault = new FileVault(join(directory, 'vaults'));
  const packs = new PackReader(vault, new FrameScratch(join(directory, 'scratch')));
  try {
    const signer = await openKnownSigner({ directory, catalogue, vault });
    const verified: VerifiedDevice[] = [];
    for (const { id, name } of await catalogue.enrolment.devices()) {
      const rows = catalogue.forDevice(id);
      const tell = (done: number, total: number): void => progress(id, done, total);
      const stored = await verifyPacks(rows, vault, repair, tell);
      // Also what another process, or one that was cut off, found lost.
      await recountWhereDue(rows);
      const reader = new VersionReader(rows, packs);
      const { versions, trouble } = await verifyVersions(rows, reader, signer);
      const objects = await verifyObjects({ rows, vault, reader, signer }, repair);
      const damaged = await damagedOf(rows);
      verified.push({
        device: id,
        name,
        ...stored,
        versions,
        damagedObjects: objects.damagedObjects,
        trouble: [...trouble, ...objects.trouble],
        damagedVersions: damaged.map((version) => ({
          id: version.id,
          path: version.path,
          blocks: version.damaged ?? 0,
        })),
      });
    }
    return verified;
  } finally {
    await vault.close();
    await catalogue.close();
  }
}

/** All versions that lack blocks. */
async function damagedOf({ lists }: DeviceCatalogue): Promise<VersionSummary[]> {
  const damaged: VersionSummary[] = [];
  let cursor: string | undefined;
  do {
    const page = await lists.list({ partial: true, damaged: true, cursor, limit: MAX_PAGE });
    damaged.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return damaged;
}

type StoredPacks = Pick<VerifiedDevice, 'packs' | 'bytes' | 'damagedPacks'>;

async function verifyPacks(
  rows: DeviceCatalogue,
  vault: Vault,
  repair: boolean,
  tell: (done: number, total: number) => void,
): Promise<StoredPacks> {
  const total = await rows.packs.bytes();
  const damagedPacks: VerifiedDevice['damagedPacks'][number][] = [];
  let packs = 0;
  let bytes = 0;
  for (let after = 0; ; ) {
    const page = await rows.packs.page(after, AT_ONCE);
    for (const pack of page) {
      after = pack.row;
      packs++;
      bytes += pack.stored;
      const state = pack.lost === 0 || pack.stored > 0 ? await stateOf(vault, rows.device, pack) : 'damaged';
      const whole = state !== 'damaged';
      if (state === 'unreadable') damagedPacks.push({ id: pack.id, state });
      if (whole !== (pack.lost === 0)) {
        if (repair && whole) await rows.packs.add(pack);
        else if (repair) await contain(vault, rows, pack.id);
        damagedPacks.push({ id: pack.id, state: whole ? 'healed' : repair ? 'contained' : 'damaged' });
      } else if (!whole) damagedPacks.push({ id: pack.id, state: 'lost' });
      tell(bytes, total);
    }
    if (page.length < AT_ONCE) break;
  }
  if (repair && damagedPacks.length > 0) await recountDamage(rows);
  return { packs, bytes, damagedPacks };
}

async function verifyVersions(
  rows: DeviceCatalogue,
  reader: VersionReader,
  signer: ReceiptSigner,
): Promise<Pick<VerifiedDevice, 'versions' | 'trouble'>> {
  const trouble: string[] = [];
  let versions = 0;
  for (let after = 0; ; ) {
    const page = await rows.versions.mapsAfter(after, AT_ONCE);
    for (const map of page) {
      after = map.sequence;
      versions++;
      try {
        const entries = atOnce(openMap(map));
        for (let at = 0; at < entries.length; at += AT_ONCE)
          await reader.pages(entries.slice(at, at + AT_ONCE));
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        trouble.push(`version ${map.id}: ${error.message} ${REBUILD}`);
      }
    }
    if (page.length < AT_ONCE) break;
  }
  trouble.push(...(await verifyReceipts(rows, signer)));
  return { versions, trouble };
}

async function verifyReceipts(rows: DeviceCatalogue, signer: ReceiptSigner): Promise<string[]> {
  const trouble: string[] = [];
  let previous = CHAIN_START;
  for (let after = 0; ; ) {
    const page = await rows.versions.receiptsAfter(after, AT_ONCE);
    for (const receipt of page) {
      after = receipt.sequence;
      try {
        const statement = readReceipt(receipt, signer.verifies);
        if (statement.sequence !== receipt.sequence || statement.previous !== previous) {
          trouble.push(`receipt ${receipt.sequence} does not follow the one before it`);
        }
        const wrong = differences(receipt, statement);
        if (wrong.length > 0) {
          trouble.push(
            `version ${statement.version}: the catalogue has another ${wrong.join(', ')} than its receipt. ${REBUILD}`,
          );
        }
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        trouble.push(`receipt ${receipt.sequence}: ${error.message}`);
      }
      previous = toHex(sha256(Buffer.from(chainText(receipt))));
    }
    if (page.length < AT_ONCE) return trouble;
  }
}

type ReceiptRow = Awaited<ReturnType<DeviceCatalogue['versions']['receiptsAfter']>>[number];

/** In what the row of a version says something else than the receipt that was given for it: a row has no check of its own. */
function differences(row: ReceiptRow, statement: ReceiptStatement): string[] {
  const stated = {
    id: statement.version,
    place: statement.sequence,
    path: statement.path,
    size: statement.size,
    'SHA-256': statement.sha256,
    root: statement.root,
    completeness: statement.complete,
    'time of receipt': statement.committedAt,
  };
  const found: typeof stated = {
    id: row.id,
    place: row.place,
    path: row.path,
    size: row.size,
    'SHA-256': row.sha256 ?? '',
    root: row.root,
    completeness: row.complete === 1,
    'time of receipt': row.received_at,
  };
  return Object.entries(stated)
    .filter(([what, value]) => found[what as keyof typeof found] !== value)
    .map(([what]) => what);
}
