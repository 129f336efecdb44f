// One backup of one source: looked at, read once out of a snapshot, sealed into packs that are queued as they come.
import { type FileHandle, open } from 'node:fs/promises';
import { toHex } from '../shared/byte-codec.ts';
import { asFailure, Failure } from '../shared/failure.ts';
import { parseStoreHeader } from '../shared/store-header.ts';
import { baseOf } from './base-of.ts';
import { markOf } from './change-test.ts';
import type { Device } from './device.ts';
import { FingerprintReader, FingerprintWriter } from './fingerprint/fingerprint-file.ts';
import { frameSettings } from './pack/frame-settings.ts';
import { PackSeries } from './pack/pack-series.ts';
import type { Packer } from './pack/packer.ts';
import type { Backup } from './queue.ts';
import { encodeRuns } from './run-list.ts';
import { scan } from './scan/scan.ts';
import type { SlotHash } from './scan/whole-hash.ts';
import { sealCheckpoint } from './seal-checkpoint.ts';
import type { Snapshot } from './snapshot.ts';
import type { Base, Source } from './source-registry.ts';

/** Bytes of a file's beginning that are looked at: a store's header takes 564 ([MS-PST] 2.2.2.6). */
const HEAD_BYTES = 4_096;
/** Room that must be left in staging before another pack is begun: one pack, compressed badly. */
const PACK_ROOM = 33_554_432;

/** What a run works with besides the device. */
export interface Workshop {
  packer(): Packer;
  hash(size: number): SlotHash;
  /** Something is new in the queue. */
  notify(): void;
}

export type Taken =
  /** Queued: it becomes a version, or a checkpoint that the next backup goes on from. */
  | { readonly outcome: 'queued'; readonly backup: string; readonly complete: boolean }
  /** Nothing differs from what the server holds. */
  | { readonly outcome: 'unchanged' };

interface Look {
  readonly size: number;
  readonly mtimeMs: number;
  readonly head: Buffer;
}

async function lookAt(file: FileHandle): Promise<Look> {
  const { size, mtimeMs } = await file.stat();
  const head = Buffer.alloc(Math.min(size, HEAD_BYTES));
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  return { size, mtimeMs, head: head.subarray(0, bytesRead) };
}

/** Opens a source for reading; a Failure `source_missing`, `source_locked` or `source_unreadable`. */
async function openSource(frozen: string, path: string): Promise<FileHandle> {
  try {
    return await open(frozen, 'r');
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Failure('source_missing', `${path} is not there.`, { cause });
    // What Node makes of a sharing violation (32) and of a lock violation (33).
    if (code === 'EBUSY') {
      throw new Failure('source_locked', `${path} is locked by another program.`, { cause });
    }
    throw new Failure('source_unreadable', `${path} can't be opened (${code}).`, { cause });
  }
}

/** The mark of a source as it lies there now, for the change test. */
export async function currentMark(path: string): Promise<string> {
  const file = await openSource(path, path);
  try {
    return markOf(await lookAt(file));
  } finally {
    await file.close();
  }
}

/**
 * Takes one backup. Failures of the source (`source_*`), of staging (`staging_full` before anything was sealed) and
 * `fingerprint_damaged` (trying again helps); nothing that was stored before is touched by any of them.
 */
export async function takeBackup(
  device: Device,
  source: Source,
  snapshot: Snapshot,
  shop: Workshop,
): Promise<Taken> {
  const file = await openSource(await snapshot.pathOf(source.path), source.path);
  try {
    const look = await lookAt(file);
    const base = await baseOf(device, source);
    const backup = await begin(device, source, snapshot, { look, base });
    const taken = await readInto(device, { backup, source, file, look, base }, shop);
    if (snapshot.kind === 'live') await assertUnchanged(device, backup, { file, look, path: source.path });
    return taken(look);
  } finally {
    await file.close();
  }
}

/** A time as ISO 8601; one that no calendar of four digits has is brought to the nearest that is one. */
function instantOf(ms: number): string {
  return new Date(
    Math.min(Date.UTC(9999, 11, 31), Math.max(Date.parse('0001-01-01T00:00:00Z'), ms)),
  ).toISOString();
}

async function begin(
  device: Device,
  source: Source,
  snapshot: Snapshot,
  { look, base }: { look: Look; base: Base | null },
): Promise<Backup> {
  const health = parseStoreHeader(look.head, look.size);
  const id = device.newId();
  await device.staging.begin(id);
  device.queue.begin({
    id,
    source_id: source.id,
    base_version: base?.version ?? null,
    size: look.size,
    mtime: instantOf(look.mtimeMs),
    taken_at: snapshot.takenAt,
    snapshot: snapshot.kind,
    health: health.verdict,
    health_notes: JSON.stringify(health.reasons),
    mark: markOf(look),
  });
  return device.queue.backup(id)!;
}

/** A live read counts only if the file is the same after it: size, times, header. */
async function assertUnchanged(
  device: Device,
  backup: Backup,
  { file, look, path }: { file: FileHandle; look: Look; path: string },
): Promise<void> {
  if (markOf(await lookAt(file)) === markOf(look)) return;
  await giveUp(device, backup);
  throw new Failure('source_changed', `${path} changed while it was read without a snapshot.`);
}

/** Drops everything of a backup that is still being read. */
async function giveUp(device: Device, backup: Backup): Promise<void> {
  if (device.queue.backup(backup.id)?.state === 'scanning') device.queue.advance(backup.id, 'lost');
  await device.staging.release(backup.id);
  await device.staging.dropFingerprint(backup.id);
}

interface Reading {
  readonly backup: Backup;
  readonly source: Source;
  readonly file: FileHandle;
  readonly look: Look;
  readonly base: Base | null;
}

/** Reads the source; what is returned records the end of it, once the caller trusts what was read. */
async function readInto(
  device: Device,
  reading: Reading,
  shop: Workshop,
): Promise<(look: Look) => Promise<Taken>> {
  const { queue, staging, progress } = device;
  const { backup, source, file, look, base } = reading;
  const draft = await FingerprintWriter.create(staging.fingerprintPath(backup.id));
  const records = base ? await FingerprintReader.open(staging.fingerprintPath(base.file)) : null;
  let full = (await staging.room(device.quota, queue.staged().bytes)) < PACK_ROOM;
  const packs = new PackSeries({
    packer: shop.packer(),
    settings: frameSettings(look.size, base?.size ?? 0),
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
      full = (await staging.room(device.quota, queue.staged().bytes)) < PACK_ROOM;
      shop.notify();
    },
  });
  try {
    const result = await scan({
      file,
      path: source.path,
      size: look.size,
      base: records && base ? { records, size: base.size } : null,
      hashes: device.hashes,
      whole: shop.hash(look.size),
      draft,
      packs,
      stop: () => full || device.stop.aborted,
      onProgress: (done) => progress.report({ phase: 'scan', path: source.path, done, total: look.size }),
    });
    if (!result.complete) {
      await packs.abandon();
      await draft.abandon();
      return async () => cutShort(device, backup);
    }
    const sealed = await packs.finish(result.through);
    if (records && base && (await records.digest()) !== base.fingerprint) {
      device.sources.forgetBase(source.id);
      throw new Failure('fingerprint_damaged', `The fingerprint of ${source.path} on this disk is damaged.`);
    }
    const fingerprint = await draft.finish();
    return async () =>
      end(device, reading, { root: toHex(result.root), sha256: result.sha256, fingerprint, sealed });
  } catch (error) {
    await packs.abandon();
    await draft.abandon();
    const failure = asFailure(error);
    // What was sealed before the disk was full is as good as before.
    if (failure.code === 'staging_full' && queue.packsOf(backup.id).length > 0)
      return async () => cutShort(device, backup);
    await giveUp(device, backup);
    throw failure;
  } finally {
    await records?.close();
  }
}

async function cutShort(device: Device, backup: Backup): Promise<Taken> {
  await sealCheckpoint(device, device.queue.backup(backup.id)!);
  if (device.stop.aborted) throw new Failure('stopped', 'The run was stopped while a source was read.');
  if (device.queue.backup(backup.id)?.state === 'abandoned') {
    throw new Failure('staging_full', 'There is no room in staging for a single pack.');
  }
  return { outcome: 'queued', backup: backup.id, complete: false };
}

async function end(
  device: Device,
  { backup, source, look, base }: Reading,
  result: { root: string; sha256: string; fingerprint: string; sealed: number },
): Promise<Taken> {
  const { queue, sources, staging } = device;
  if (queue.backup(backup.id)?.state !== 'scanning') {
    throw new Failure('pack_damaged', `A pack of ${source.path} was damaged in staging.`);
  }
  const file = backup.id;
  if (result.sealed === 0 && base?.complete && base.size === look.size && base.root === result.root) {
    queue.atomically(() => {
      queue.advance(backup.id, 'nothing-sealed');
      sources.promote(source.id, { ...base, fingerprint: result.fingerprint, file }, backup.mark, null);
    });
    await staging.release(backup.id);
    if (base.file !== file) await staging.dropFingerprint(base.file);
    return { outcome: 'unchanged' };
  }
  queue.advance(backup.id, 'sealed', {
    complete: 1,
    size: look.size,
    sha256: result.sha256,
    root: result.root,
    fingerprint: result.fingerprint,
    fingerprint_file: file,
  });
  return { outcome: 'queued', backup: backup.id, complete: true };
}
