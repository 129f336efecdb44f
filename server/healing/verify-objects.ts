// Compares the version objects of a vault with the catalogue: a rebuild is made of them, and until then nothing reads them.
import { fromHex, sameBytes } from '../../shared/byte-codec.ts';
import { decodeChangeList } from '../../shared/change-list.ts';
import { Failure } from '../../shared/failure.ts';
import { CommittedVersion } from '../../shared/protocol.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import type { ReceiptedRow } from '../catalogue/version-rows.ts';
import { codeOf } from '../disk-failure.ts';
import type { ReceiptSigner } from '../receipt-key.ts';
import { sha256 } from '../sha256.ts';
import { fileCommitHash } from '../upload/take-file.ts';
import type { Vault } from '../vault/vault.ts';
import { hashOfSource } from '../version/commit.ts';
import {
  decodeVersion,
  encodeVersion,
  type VersionObject,
  type VersionSource,
} from '../version/version-object.ts';
import type { VersionReader } from '../version/version-reader.ts';
import { leadsTo, wholeMapOf } from '../version/whole-map.ts';

export interface ObjectPorts {
  readonly rows: DeviceCatalogue;
  readonly vault: Vault;
  readonly reader: VersionReader;
  readonly signer: ReceiptSigner;
}

export interface DamagedObject {
  /** Of the version. */
  readonly id: string;
  readonly path: string;
  /** rewritten: it was one of the others, and is there again. */
  readonly state: 'damaged' | 'missing' | 'rewritten';
}

export interface VerifiedObjects {
  readonly damagedObjects: readonly DamagedObject[];
  /** Objects that can't be made again, and rows that are not what their objects say. */
  readonly trouble: readonly string[];
}

/** What is to be done about a catalogue that is damaged in part. */
export const REBUILD = '`mailferry server rebuild --overwrite` makes it again.';

/** Rows read from the catalogue at a time. */
const AT_ONCE = 50;

/**
 * Reads the object of every version that the catalogue has and compares all of it: by the hash of the commit, which only the
 * catalogue has. With `repair` what is damaged or missing is written anew, from the row, the map and the receipt; also beside a running
 * server, which writes only objects of versions that have no row yet.
 */
export async function verifyObjects(ports: ObjectPorts, repair: boolean): Promise<VerifiedObjects> {
  const damagedObjects: DamagedObject[] = [];
  const trouble: string[] = [];
  for (let after = 0; ; ) {
    const rows = await ports.rows.versions.after(after, AT_ONCE);
    for (const row of rows) {
      after = row.place;
      const { id, path } = row;
      const found = await readObject(ports, row);
      const state = typeof found === 'string' ? found : compare(found, row);
      if (state === 'whole') continue;
      if (typeof state === 'object') {
        trouble.push(
          `version ${id}: the catalogue has another ${state.differing.join(', ')} than its object. ${REBUILD}`,
        );
        continue;
      }
      const problem = repair ? await rewrite(ports, row) : null;
      damagedObjects.push({ id, path, state: repair && problem === null ? 'rewritten' : state });
      if (problem !== null) trouble.push(`version ${id}: its object can't be made again. ${problem}`);
    }
    if (rows.length < AT_ONCE) return { damagedObjects, trouble };
  }
}

async function readObject(
  { rows, vault, signer }: ObjectPorts,
  { place: sequence, id }: ReceiptedRow,
): Promise<VersionObject | 'damaged' | 'missing'> {
  const { device } = rows;
  try {
    const bytes = await vault.readVersion(device, sequence, id);
    return decodeVersion(bytes, { device, sequence, id }, signer).version;
  } catch (error) {
    if (error instanceof Failure) return error.code === 'not_found' ? 'missing' : 'damaged';
    // A sector that can't be read is as lost as one that is wrong.
    if (codeOf(error) === 'EIO') return 'damaged';
    throw error;
  }
}

/** Which of the two is not what it was, the object or, named by what differs, the row; an object proves itself by the row's hash of the commit. */
function compare(
  { commit, source }: VersionObject,
  row: ReceiptedRow,
): 'whole' | 'damaged' | { differing: string[] } {
  const differing = differences(commit, commitOf(row));
  const isIntact = leadsToBytes(source, commit);
  if (isIntact && sameBytes(bodyHashOf(commit, source), row.body_hash)) {
    return differing.length === 0 ? 'whole' : { differing };
  }
  // All that the hash is made of is as it was, so it is the hash that is not. One made again is not what the hash is made of.
  if (isIntact && differing.length === 0 && !('map' in source)) return { differing: ['hash of the commit'] };
  return 'damaged';
}

function bodyHashOf(commit: CommittedVersion, source: VersionSource): Uint8Array {
  if ('map' in source) return fromHex(source.map.bodyHash);
  return 'changes' in source ? hashOfSource(commit, source) : fileCommitHash(commit);
}

function leadsToBytes(source: VersionSource, commit: CommittedVersion): boolean {
  if ('map' in source) return leadsTo(source.map, commit);
  if ('rawPack' in source) return source.rawPack === commit.sha256;
  try {
    decodeChangeList(Buffer.from(source.changes, 'base64'), sha256);
    return true;
  } catch (error) {
    if (error instanceof Failure) return false;
    throw error;
  }
}

function differences(commit: CommittedVersion, ofRow: CommittedVersion | undefined): string[] {
  if (!ofRow) return ['form'];
  return Object.keys(CommittedVersion.shape).filter((key) => {
    const name = key as keyof CommittedVersion;
    return JSON.stringify(commit[name]) !== JSON.stringify(ofRow[name]);
  });
}

/** The commit that a row was made of, but for its changes; undefined where it can't have been made of one. */
function commitOf(row: ReceiptedRow): CommittedVersion | undefined {
  try {
    return CommittedVersion.parse({
      path: row.path,
      kind: row.kind,
      base: row.base,
      complete: row.complete === 1,
      size: row.size,
      mtime: row.mtime,
      takenAt: row.taken_at,
      sha256: row.sha256,
      root: row.root,
      snapshot: row.snapshot,
      ...(row.outlook_running === null ? {} : { outlookRunning: row.outlook_running === 1 }),
      ...(row.rights === null ? {} : { rights: JSON.parse(row.rights) }),
      health: row.health,
      healthNotes: JSON.parse(row.health_notes),
    });
  } catch {
    return undefined;
  }
}

/** Writes the object of a version anew. Why not, where what the catalogue has of it is damaged too. */
async function rewrite(ports: ObjectPorts, row: ReceiptedRow): Promise<string | null> {
  const { rows, vault, signer } = ports;
  const { place: sequence, id, statement, signature } = row;
  const { device } = rows;
  const commit = commitOf(row);
  if (!commit) return 'Its row in the catalogue is damaged.';
  try {
    const source = await sourceOf(ports, row, commit);
    const object = encodeVersion({ id, commit, source, receipt: { statement, signature } });
    // A row that says something else than the receipt makes no object.
    decodeVersion(object, { device, sequence, id }, signer);
    await vault.putVersion(device, sequence, id, object);
    return null;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return error.message;
  }
}

/** A plain file's object comes out as it was; any other one says where every byte lies, since its change list is nowhere else. */
async function sourceOf(
  { rows, reader }: ObjectPorts,
  row: ReceiptedRow,
  commit: CommittedVersion,
): Promise<VersionSource> {
  const file = commit.snapshot === 'upload' ? await rows.packs.get(row.sha256 ?? '', 'raw') : undefined;
  const isAsItWas = file?.lost === 0 && sameBytes(fileCommitHash(commit), row.body_hash);
  return isAsItWas ? { rawPack: file.id } : { map: await wholeMapOf(reader, row) };
}
