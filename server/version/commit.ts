// A commit: the device says what a version consists of, the server looks whether that is so, and only then answers with a receipt.
import { fromHex, sameBytes } from '../../shared/byte-codec.ts';
import { type ChangeList, changeListInSteps } from '../../shared/change-list.ts';
import type { PlacedExtent } from '../../shared/extents.ts';
import { Failure } from '../../shared/failure.ts';
import type { CommitRequest, CommittedVersion, VersionSummary } from '../../shared/protocol.ts';
import { atOnce, STEP_ITEMS, type Steps } from '../../shared/steps.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import { recountDamage, recountWhereDue } from '../healing/damage.ts';
import { inTurns } from '../in-turns.ts';
import { startSha256 } from '../sha256.ts';
import { bytesOfVersion, type StoredBytes } from '../stored-bytes.ts';
import type { ChangeLists } from '../upload/change-lists.ts';
import { type AcceptPorts, acceptVersion } from './accept-version.ts';
import { layChanges } from './lay-changes.ts';
import type { PageEntry } from './page-codec.ts';
import { assemble } from './plan-version.ts';
import { type VerifyPorts, verifyBlocks } from './verify-blocks.ts';
import { checkHashesGiven, type MapPage, PAGE_BYTES, touchedBlocks } from './version-map.ts';
import type { ListedChanges } from './version-object.ts';
import type { DamagedMap, VersionReader } from './version-reader.ts';

export interface CommitPorts extends AcceptPorts, VerifyPorts {
  readonly lists: Pick<ChangeLists, 'read' | 'drop'>;
  /** Decides, by throwing a Failure, whether a version that takes so many bytes may be stored. */
  readonly admit: (bytes: number) => Promise<void>;
  readonly stored: Pick<StoredBytes, 'add'>;
}

export interface CommitResult {
  /** False: the version was there already, and this is its receipt as it was given then. */
  readonly isNew: boolean;
  readonly summary: VersionSummary;
}

/**
 * Commits version `id`. Idempotent: the same commit again gets the same receipt. One at a time for a device: the caller
 * sees to that. Failures: `change_list_unknown`, `version_conflict`, `base_unknown`, `packs_missing` (detail.missing), `malformed`,
 * `blocks_differ` (detail.blocks), `root_differs`, `pack_damaged`, `packs_lost`, `quota_full`, `server_full`.
 */
export async function commitVersion(
  ports: CommitPorts,
  id: string,
  body: CommitRequest,
): Promise<CommitResult> {
  for (let tries = 1; ; tries++) {
    try {
      return await commitOnce(ports, id, body);
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'packs_lost' || tries === TRIES) throw error;
    }
  }
}

/** How often a commit is checked where packs are lost meanwhile: more would keep a device's turn while a vault falls apart. */
const TRIES = 3;

async function commitOnce(ports: CommitPorts, id: string, body: CommitRequest): Promise<CommitResult> {
  const { catalogue, reader, lists } = ports;
  const { changes: inline, changeList, ...commit } = body;
  const bodyHash = await inTurns(commitHash(body));
  const known = await catalogue.versions.map(id);
  if (known) {
    if (!sameBytes(known.body_hash, bodyHash) && !(await isSameInline(body, known.body_hash, ports))) {
      throw new Failure('version_conflict', 'This version id was used for another commit.');
    }
    if (changeList !== undefined) await dropLater(ports, changeList);
    return { isNew: false, summary: (await catalogue.lists.summary(id))! };
  }
  if (body.complete && body.sha256 === null) {
    throw new Failure('malformed', 'A complete version states the SHA-256 of its bytes.');
  }
  const lostBefore = new Set((await catalogue.packs.lost()).map(({ row }) => row));
  // A base counts as whole only by a count that came after the last loss of a pack.
  await recountWhereDue(catalogue);
  const base = body.base === null ? undefined : await catalogue.versions.map(body.base);
  if (body.base !== null && !base)
    throw new Failure('base_unknown', 'The base of the commit is not known here.');

  const bytes = inline === undefined ? await named(changeList!, lists) : await inTurns(bytesOf(inline));
  const list = await inTurns(changeListInSteps(bytes, startSha256));
  // First of all: no run is longer than the bytes that are here.
  const changes = { coarse: list.coarse, runs: await namePacksByRow(list, catalogue) };
  await inTurns(checkHashesGiven(list.coarse, touchedBlocks(list.runs, base?.size ?? 0, body.size)));
  await inTurns(boundRuns(list.runs));
  const { base: baseEntries, changed } = await layChanges(reader, base, changes, body.size);
  if (base && base.damaged > 0) await assertWhole(base, baseEntries, changed, reader);
  await verifyBlocks(catalogue.device, { size: body.size, changes, pages: changed }, ports);
  const { pages, root } = await inTurns(assemble(baseEntries, changed, body.size));
  if (!sameBytes(root, fromHex(body.root))) {
    throw new Failure('root_differs', 'The hashes of the version do not sum up to the root stated.');
  }
  const cost = bytesOfVersion(pages, bytes.length);
  await ports.admit(cost);
  const source: ListedChanges = { changes: inline ?? (await inTurns(base64Of(bytes))), changeList };
  const summary = await acceptVersion(ports, { id, commit, bodyHash, source, pages, lostBefore });
  ports.stored.add(cost);
  if (changeList !== undefined) await dropLater(ports, changeList);
  // What it brought may be what other versions lack.
  if (await catalogue.versions.anyDamaged()) await recountDamage(catalogue);
  return { isNew: true, summary };
}

/**
 * Most runs that a commit lays in one page: sixteen times what a device makes of fine blocks of 1 KiB. A page is opened whole by every
 * read of a byte in it.
 */
const MAX_PAGE_RUNS = 16_384;

/** A Failure `malformed` where a page would be in more pieces than any device makes. */
function* boundRuns(runs: ChangeList['runs']): Steps<void> {
  let page = -1;
  let count = 0;
  for (const [index, { at }] of runs.entries()) {
    if (index % STEP_ITEMS === 0) yield;
    const here = Math.floor(at / PAGE_BYTES);
    count = here === page ? count + 1 : 1;
    page = here;
    if (count <= MAX_PAGE_RUNS) continue;
    throw new Failure('malformed', `More than ${MAX_PAGE_RUNS} runs lie in 1 MiB of the version.`, {
      detail: { limit: MAX_PAGE_RUNS },
    });
  }
}

/** A list that came as an upload. */
async function named(id: string, lists: CommitPorts['lists']): Promise<Uint8Array> {
  const bytes = await lists.read(id);
  if (bytes) return bytes;
  throw new Failure('change_list_unknown', 'The change list of this commit is not here.', {
    detail: { changeList: id },
  });
}

/**
 * Whether a commit that names its list is the one whose list came inside: a device that learnt to name them in between asks so for a
 * receipt whose answer was lost. A Failure `change_list_unknown` where that can't be told without the list.
 */
async function isSameInline(body: CommitRequest, hash: Uint8Array, { lists }: CommitPorts): Promise<boolean> {
  const { changeList, ...commit } = body;
  if (changeList === undefined) return false;
  const changes = await inTurns(base64Of(await named(changeList, lists)));
  return sameBytes(hash, await inTurns(commitHash({ ...commit, changes })));
}

/** A version holds what the list says. That its file could not be removed fails no commit: the sweep finds it. */
async function dropLater({ lists }: CommitPorts, id: string): Promise<void> {
  await lists.drop(id).catch(() => {});
}

/** Of each three bytes base64 makes four letters. */
const CODED_AT_ONCE = 3 * 524_288;

function* base64Of(bytes: Uint8Array): Steps<string> {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const text: string[] = [];
  for (let at = 0; at < all.length; at += CODED_AT_ONCE) {
    text.push(all.toString('base64', at, at + CODED_AT_ONCE));
    yield;
  }
  return text.join('');
}

function* bytesOf(base64: string): Steps<Uint8Array> {
  const parts: Buffer[] = [];
  const letters = (CODED_AT_ONCE / 3) * 4;
  for (let at = 0; at < base64.length; at += letters) {
    parts.push(Buffer.from(base64.slice(at, at + letters), 'base64'));
    yield;
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/** A version is not built on what is lost: a Failure `base_unknown` where a block would still lie in a lost pack. */
async function assertWhole(
  base: DamagedMap,
  entries: readonly PageEntry[],
  changed: ReadonlyMap<number, MapPage>,
  reader: VersionReader,
): Promise<void> {
  const lost = await reader.lostIn(base);
  const assertPage = (page: MapPage): void => {
    if (!page.extents.some(({ pack }) => lost.has(pack))) return;
    throw new Failure(
      'base_unknown',
      'The server has lost bytes of the base that the commit does not bring.',
    );
  };
  for (const page of changed.values()) assertPage(page);
  const shared = entries.filter((_, index) => !changed.has(index));
  for (let at = 0; at < shared.length; at += PAGES_AT_ONCE) {
    for (const page of await reader.pages(shared.slice(at, at + PAGES_AT_ONCE))) assertPage(page);
  }
}

/** Most packs that `packs_missing` names, which a device reads in an answer of 1 MiB; it is told of the others when it has sent these. */
const MOST_MISSING = 10_000;

/** The runs with each pack's row for its id. Failures: `packs_missing` names those unknown, `malformed` a run past a pack's end. */
async function namePacksByRow(list: ChangeList, catalogue: DeviceCatalogue): Promise<ChangeList['runs']> {
  const ids = [...(await inTurns(packsOf(list)))];
  const known = await catalogue.packs.known(ids, MOST_MISSING);
  const missing = ids.filter((id) => !known.has(id)).slice(0, MOST_MISSING);
  if (missing.length > 0) {
    throw new Failure('packs_missing', `${missing.length} packs of this commit are not here.`, {
      detail: { missing },
    });
  }
  return inTurns(rowsOf(list, known));
}

function* packsOf({ runs }: ChangeList): Steps<Set<string>> {
  const ids = new Set<string>();
  for (const [index, { pack }] of runs.entries()) {
    ids.add(pack);
    if (index % STEP_ITEMS === 0) yield;
  }
  return ids;
}

function* rowsOf(
  { runs }: ChangeList,
  known: ReadonlyMap<string, { readonly row: number; readonly raw: number }>,
): Steps<ChangeList['runs']> {
  const rows = new Map([...known].map(([id, { row }]) => [id, String(row)]));
  const placed: PlacedExtent[] = [];
  for (const { at, length, pack, offset } of runs) {
    if (offset + length > known.get(pack)!.raw)
      throw new Failure('malformed', 'A run reaches past the end of its pack.');
    placed.push({ at, length, pack: rows.get(pack)!, offset });
    if (placed.length % STEP_ITEMS === 0) yield;
  }
  return placed;
}

const PAGES_AT_ONCE = 64;
const HASHED_AT_ONCE = 65_536;

/** The same of a commit whose list is known, by the form in which it came. */
export function hashOfSource(commit: CommittedVersion, { changes, changeList }: ListedChanges): Uint8Array {
  return atOnce(commitHash(changeList === undefined ? { ...commit, changes } : { ...commit, changeList }));
}

/** SHA-256 of the commit in one form: keys in the order below, then the list, or its name where the commit has only that. */
function* commitHash(body: CommitRequest): Steps<Uint8Array> {
  const { path, kind, base, complete, size, mtime, takenAt, sha256: whole, root } = body;
  const { snapshot, health, healthNotes, outlookRunning, rights, changeList } = body;
  const changes = body.changes ?? '';
  const fields = [
    path,
    kind,
    base,
    complete,
    size,
    mtime,
    takenAt,
    whole,
    root,
    snapshot,
    health,
    healthNotes,
    // Left out where it is not known, so that commits of before have the hash they had.
    ...(outlookRunning === undefined ? [] : [outlookRunning]),
    ...(rights === undefined ? [] : [[rights.mode, rights.uid, rights.gid]]),
  ];
  const hash = startSha256();
  hash.update(Buffer.from(`${JSON.stringify(fields)}\n`));
  // No base64 has a colon.
  if (changeList !== undefined) hash.update(Buffer.from(`change-list:${changeList}`));
  // In pieces: the list of a first backup of 4 GiB has 3 MB, and three copies of it at once would be seen in the memory.
  for (let at = 0; at < changes.length; at += HASHED_AT_ONCE) {
    hash.update(Buffer.from(changes.slice(at, at + HASHED_AT_ONCE), 'latin1'));
    yield;
  }
  return hash.digest();
}
