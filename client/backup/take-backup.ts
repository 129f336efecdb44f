// One backup of one source: looked at, read once out of a snapshot, sealed into packs that are queued as they come.
import { MAX_VERSION_BYTES } from '../../shared/block.ts';
import { toHex } from '../../shared/byte-codec.ts';
import { Failure } from '../../shared/failure.ts';
import type { Health } from '../../shared/protocol.ts';
import { parseStoreHeader } from '../../shared/store-header.ts';
import { suspectNote } from '../../shared/suspect.ts';
import type { Device } from '../device.ts';
import { deviceFailure, isStateDamage } from '../device-failure.ts';
import type { OpenFile } from '../far/file-asks.ts';
import { FingerprintReader, FingerprintWriter } from '../fingerprint/fingerprint-file.ts';
import { frameSettings } from '../pack/frame-settings.ts';
import { PackSeries } from '../pack/pack-series.ts';
import type { PackWriter } from '../pack/packer.ts';
import { scan } from '../scan/scan.ts';
import type { SlotHash } from '../scan/whole-hash.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { Backup } from '../state/queue-rows.ts';
import type { Base, Source } from '../state/source-registry.ts';
import { tidyUp } from '../state/staging.ts';
import { markOf, type SourceLook } from './change-test.ts';
import { stillBegins } from './grown-file.ts';
import { leftOutFailure, missingIn } from './left-out.ts';
import { encodeRuns } from './run-list.ts';
import { abandon, sealCheckpoint } from './seal-checkpoint.ts';
import { lookAt, openSource } from './source-file.ts';
import { releaseSuperseded, supersede } from './supersede.ts';
import { readsAsZeros } from './suspect-sample.ts';
import { type Shape, seenOf, suspicionOf } from './suspicion.ts';

/** Room that must be left in staging before another pack is begun: one pack, compressed badly. */
const PACK_ROOM = 33_554_432;
/** Pieces that are read between two looks into the queue at whether a pack was lost meanwhile. */
const PIECES_A_LOOK = 16;

/** What a run works with besides the device. */
export interface Workshop {
  packer(): PackWriter;
  hash(size: number): SlotHash;
  /** Something is new in the queue. */
  notify(): void;
}

export type Taken =
  /** Queued: it becomes a version. */
  | { readonly outcome: 'queued'; readonly backup: string }
  /** Ended early, for the reason given; what was sealed by then is queued as a checkpoint that the next backup goes on from. */
  | { readonly outcome: 'cut-short'; readonly backup: string; readonly failure: Failure }
  /** Nothing differs from what the server holds. */
  | { readonly outcome: 'unchanged' };

/**
 * Takes one backup of a source whose base is known (base-of.ts). Failures, where nothing was sealed before them: those of the source
 * (`source_*`), `staging_full`, `stopped`, and `fingerprint_damaged`, after which the base is forgotten. Nothing that was stored
 * before is touched by any of them. `mark`: what the change test knows its state by, where that is not what the file looks like.
 */
export async function takeBackup(
  device: Device,
  source: Source,
  snapshot: Snapshot,
  shop: Workshop,
  mark?: string,
): Promise<Taken> {
  const file = await openIn(device, source, snapshot);
  try {
    const look = await lookAt(file, source.path);
    if (look.size > MAX_VERSION_BYTES) throw tooLarge(source.path, look.size);
    // Windows takes OST files out of its snapshots; what is left of one may be an empty file, which is no copy of it.
    if (source.kind === 'ost' && snapshot.kind === 'vss' && look.size === 0) {
      device.leftOut.found(source);
      throw leftOutFailure(source);
    }
    device.leftOut.seen(source);
    const { base } = source;
    const judged = await judge(file, source, look);
    const backup = await begin(device, source, snapshot, { look, base, mark, judged });
    try {
      const read = await readWhole(device, { backup, source, file, look, base }, shop);
      // A live read counts only if the file is the same after it: size, times, header; or if it grew and is the same up to there.
      const changed = snapshot.kind === 'live' ? await changeOf(file, source.path, look) : null;
      if (changed && !(await grewOnly(device, source, { file, look, judged, sha256: read.sha256 })))
        throw changed;
      return await end(device, { backup, source, look, base }, read);
    } catch (error) {
      return await cutShort(device, backup, error);
    }
  } finally {
    await file.close();
  }
}

function tooLarge(path: string, size: number): Failure {
  return new Failure('too_large', `${path} has ${size} bytes; a version holds 1 TiB (2^40 bytes) at most.`);
}

/** Opens a source in its snapshot. One that is not there although the live file is was left out of it, which is remembered. */
async function openIn(device: Device, source: Source, snapshot: Snapshot): Promise<OpenFile> {
  try {
    return await openSource(await snapshot.pathOf(source.path), source.path);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'source_missing') throw error;
    const failure = await missingIn(snapshot, source, error);
    if (failure.code === 'snapshot_unavailable') device.leftOut.found(source);
    throw failure;
  }
}

/** Why what was read of a live file does not count: it is not as it was before, or can't be looked at any more; null: it is as it was. */
async function changeOf(file: OpenFile, path: string, before: SourceLook): Promise<Failure | null> {
  try {
    if (markOf(await lookAt(file, path)) === markOf(before)) return null;
  } catch (error) {
    return deviceFailure(error);
  }
  return new Failure('source_changed', `${path} changed while it was read without a snapshot.`);
}

/**
 * Whether a live file grew at its end and is unchanged up to where it was read. Not asked of a store or a database: its header and its
 * pages belong together, so that its beginning alone is no state of it.
 */
async function grewOnly(
  { progress, stop }: Device,
  { path }: Source,
  { file, look, judged, sha256 }: { file: OpenFile; look: SourceLook; judged: Judged; sha256: string },
): Promise<boolean> {
  const { size } = look;
  if (judged.shape === 'store' || judged.shape === 'sqlite') return false;
  const now = await file.stat().catch(() => null);
  if (now === null || now.size <= size || !(await stillBegins(file, { size, sha256, stop }))) return false;
  progress.say(`${path} grew while it was read; its first ${size} bytes are taken as they were then.`);
  return true;
}

/** A time as ISO 8601, to the nearest millisecond, as Stats.mtime has it; one that no calendar of four digits has is brought to the nearest that is one. */
export function instantOf(ms: number): string {
  return new Date(
    Math.min(Date.UTC(9999, 11, 31), Math.max(Date.parse('0001-01-01T00:00:00Z'), Math.round(ms))),
  ).toISOString();
}

/** What the store is by its header, and whether it is suspect beside what it was: the notes tell both. */
interface Judged {
  readonly health: Health;
  readonly notes: readonly string[];
  readonly shape: Shape;
}

async function judge(file: OpenFile, source: Source, look: SourceLook): Promise<Judged> {
  const health = parseStoreHeader(look.head, look.size);
  const seen = seenOf(look, health, await readsAsZeros(file, look));
  const suspicion = suspicionOf(source.path, source.lastGood, seen);
  const notes = suspicion === null ? health.reasons : [suspectNote(suspicion), ...health.reasons];
  return { health: health.verdict, notes, shape: seen.shape };
}

interface Begun {
  readonly look: SourceLook;
  readonly base: Base | null;
  readonly mark: string | undefined;
  readonly judged: Judged;
}

async function begin(
  device: Device,
  source: Source,
  snapshot: Snapshot,
  { look, base, mark, judged }: Begun,
): Promise<Backup> {
  const id = device.newId();
  await device.staging.begin(id);
  const row = {
    id,
    source_id: source.id,
    base_version: base?.version ?? null,
    size: look.size,
    mtime: instantOf(look.mtimeMs),
    taken_at: snapshot.takenAt,
    snapshot: snapshot.kind,
    outlook_running: snapshot.outlookRunning === null ? null : Number(snapshot.outlookRunning),
    rights: look.rights === null ? null : JSON.stringify(look.rights),
    health: judged.health,
    health_notes: JSON.stringify(judged.notes),
    shape: judged.shape,
    mark: mark ?? markOf(look),
  };
  try {
    device.queue.begin(row);
  } catch (error) {
    await tidyUp(device.staging, id, null);
    throw error;
  }
  return device.queue.backup(id)!;
}

interface Reading {
  readonly backup: Backup;
  readonly source: Source;
  readonly file: OpenFile;
  readonly look: SourceLook;
  readonly base: Base | null;
}

/** A source that was read to its end: what it is now. */
interface Read {
  readonly root: string;
  readonly sha256: string;
  /** SHA-256 of the new fingerprint file. */
  readonly fingerprint: string;
  /** Packs. */
  readonly sealed: number;
}

async function readWhole(device: Device, reading: Reading, shop: Workshop): Promise<Read> {
  const { queue, staging, progress } = device;
  const { backup, source, file, look, base } = reading;
  const draft = await FingerprintWriter.create(staging.fingerprintPath(backup.id));
  let records: FingerprintReader | null = null;
  const roomLeft = async () => (await staging.room(device.quota, queue.staged().bytes)) >= PACK_ROOM;
  let full = !(await roomLeft());
  const packs = new PackSeries({
    packer: shop.packer(),
    settings: frameSettings(look.size, base?.size ?? 0, device.codecs.readable),
    size: look.size,
    pathOf: (number) => staging.packPath(backup.id, number),
    onSealed: async ({ number, pack, runs, through }) => {
      await draft.sync();
      queue.addPack({
        backup_id: backup.id,
        number,
        id: pack.id,
        bytes: pack.bytes,
        raw_bytes: pack.rawBytes,
        through,
        runs: encodeRuns(runs),
      });
      full = !(await roomLeft());
      shop.notify();
    },
  });
  const lost = () => queue.lostFrom(backup.id) !== null;
  let pieces = 0;
  const lostBetween = () => pieces++ % PIECES_A_LOOK === 0 && lost();
  try {
    await staging.syncFingerprints();
    if (base) records = await openBase(device, source, base);
    const result = await scan({
      file,
      path: source.path,
      size: look.size,
      base: records && base ? { records, size: base.size } : null,
      hashes: device.hashes,
      whole: shop.hash(look.size),
      draft,
      packs,
      stop: () => full || packs.full || device.stop.aborted || lostBetween(),
      onProgress: (done) => progress.report({ phase: 'scan', path: source.path, done, total: look.size }),
    });
    if (!result.complete && packs.full) {
      await packs.finish(result.through);
      throw new Failure(
        'too_large',
        `${source.path} has more changes than one commit takes; the rest follows.`,
      );
    }
    if (!result.complete) throw endedEarly(device, source, lost());
    const sealed = await packs.finish(result.through);
    if (records && base && (await records.digest()) !== base.fingerprint)
      throw new Failure('fingerprint_damaged', `The fingerprint of ${source.path} on this disk is damaged.`);
    const fingerprint = await draft.finish();
    return { root: toHex(result.root), sha256: result.sha256, fingerprint, sealed };
  } catch (error) {
    await packs.abandon();
    await draft.abandon();
    throw error;
  } finally {
    await records?.close();
  }
}

/** The fingerprint of the base. A Failure `fingerprint_damaged` where it is not there. */
async function openBase({ staging }: Device, source: Source, base: Base): Promise<FingerprintReader> {
  try {
    return await FingerprintReader.open(staging.fingerprintPath(base.file));
  } catch (cause) {
    const message = `The fingerprint of ${source.path} on this disk can't be read.`;
    throw new Failure('fingerprint_damaged', message, { cause });
  }
}

function endedEarly(device: Device, source: Source, lost: boolean): Failure {
  if (device.stop.aborted)
    return new Failure('stopped', `The run was stopped while ${source.path} was read.`);
  if (lost) return new Failure('pack_damaged', `A pack of ${source.path} was damaged in staging.`);
  return new Failure('staging_full', `There is no room in staging for more of ${source.path}.`);
}

/**
 * What becomes of a backup that was not read to its end, or could not be sealed there: a checkpoint of what was sealed before `error`,
 * which is thrown where that is nothing. Where not even that can be written, settleScans() (healing/recover.ts) does it later.
 */
async function cutShort(device: Device, backup: Backup, error: unknown): Promise<Taken> {
  if (isStateDamage(error)) throw error;
  const failure = deviceFailure(error);
  // What was compared with a damaged fingerprint may lack changes.
  if (failure.code === 'fingerprint_damaged') {
    device.sources.forgetBase(backup.source_id);
    await abandon(device, backup, 'lost');
    throw failure;
  }
  try {
    await sealCheckpoint(device, backup);
  } catch (unsealed) {
    // A disk that is full has no room for a checkpoint's fingerprint either; the source is read again.
    await abandon(device, backup, 'lost');
    throw deviceFailure(unsealed);
  }
  if (failure.code === 'stopped' || device.queue.backup(backup.id)?.state === 'abandoned') throw failure;
  return { outcome: 'cut-short', backup: backup.id, failure };
}

async function end(
  device: Device,
  { backup, source, look, base }: Omit<Reading, 'file'>,
  read: Read,
): Promise<Taken> {
  const { queue, sources, staging } = device;
  const { root, sha256, fingerprint } = read;
  if (queue.lostFrom(backup.id) !== null) throw endedEarly(device, source, true);
  const file = backup.id;
  if (read.sealed === 0 && base?.complete && base.size === look.size && base.root === root) {
    queue.atomically(() => {
      queue.advance(backup.id, 'nothing-sealed');
      sources.promote(source.id, { ...base, fingerprint, file }, backup.mark, null);
    });
    await tidyUp(staging, backup.id, base.file === file ? null : base.file);
    return { outcome: 'unchanged' };
  }
  const older = queue.atomically(() => {
    queue.advance(backup.id, 'sealed', {
      complete: 1,
      size: look.size,
      sha256,
      root,
      fingerprint,
      fingerprint_file: file,
    });
    return supersede(device, source, backup.id);
  });
  await releaseSuperseded(device, older);
  return { outcome: 'queued', backup: backup.id };
}
