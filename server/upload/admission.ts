// Whether a device may begin an upload: its quota, its unfinished uploads and the room on the disk. One at a time for a device.
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import { codeOf } from '../disk-failure.ts';
import type { Limits } from '../limits.ts';
import { RESERVE_BYTES, type Room } from '../room.ts';
import type { StoredBytes } from '../stored-bytes.ts';
import { planUpload, type UploadMetadata, type UploadPlan } from './upload-plan.ts';

/** An unfinished upload on which nothing happened for so long gives way to a new one. */
const IDLE_MS = 3_600_000;

export interface AdmissionPorts {
  readonly catalogue: DeviceCatalogue;
  readonly room: Room;
  readonly stored: StoredBytes;
  readonly limits: Limits;
  /** Where the device's uploads lie. */
  readonly staging: string;
  readonly isWriting: (upload: string) => boolean;
  now(): number;
}

/**
 * The plan of an upload that may begin. Failures: `malformed`, `too_large`, `quota_full`, `too_many`, `server_full`. Must not run
 * twice at once for a device, nor beside the recording of an upload that it let pass.
 */
export async function admit(
  ports: AdmissionPorts,
  metadata: UploadMetadata | undefined,
  length: number | undefined,
): Promise<UploadPlan> {
  const { catalogue, room, limits } = ports;
  const plan = planUpload(metadata, length, limits.fileBytes);
  const bytes = length ?? 0;
  const open = await catalogue.uploads.openSum();
  if (open.count >= limits.openUploads && !(await dropIdle(ports, IDLE_MS, 1))) {
    throw new Failure('too_many', `This device has ${open.count} unfinished uploads already.`, {
      detail: { limit: limits.openUploads },
    });
  }
  await assertInQuota(ports, bytes);
  if (!(await room.has(bytes))) {
    throw new Failure('server_full', 'The server has no room for this upload.', { detail: RESERVED });
  }
  return plan;
}

/** What stays free, whoever asks. */
const RESERVED = { limit: RESERVE_BYTES, of: 'bytes that stay free' };

/** A Failure `quota_full` where `bytes` more are too many: packs, change lists, uploads under way and all that versions take are counted. */
async function assertInQuota({ catalogue, limits, stored }: AdmissionPorts, bytes: number): Promise<void> {
  if (!Number.isFinite(limits.quotaBytes)) return;
  const open = await catalogue.uploads.openSum();
  const used =
    (await catalogue.packs.bytes()) +
    (await catalogue.changeLists.bytes()) +
    open.bytes +
    (await stored.bytes());
  if (used + bytes <= limits.quotaBytes) return;
  throw new Failure('quota_full', 'This device has no room left on the server.', {
    detail: { used, quota: limits.quotaBytes, limit: limits.quotaBytes },
  });
}

/** Whether a version that takes `bytes` may be stored: Failures `quota_full`, `server_full`. In a turn of the device. */
export async function admitVersion(ports: AdmissionPorts, bytes: number): Promise<void> {
  await assertInQuota(ports, bytes);
  if (!(await ports.room.keepsReserve(bytes)))
    throw new Failure('server_full', 'The server has no room for this version.', { detail: RESERVED });
}

/**
 * Forgets up to `most` unfinished uploads on which nothing happened for `idleMs`, those idle longest first; how many. Nothing
 * published is among them, and none that has all its bytes.
 */
export async function dropIdle(ports: AdmissionPorts, idleMs: number, most: number): Promise<number> {
  const { catalogue, staging, isWriting, now } = ports;
  const idle: { id: string; since: number }[] = [];
  for (const { id, length } of await catalogue.uploads.unfinished()) {
    if (isWriting(id)) continue;
    const file = await statIfThere(join(staging, id));
    if (file && file.size < length && now() - file.mtimeMs >= idleMs) idle.push({ id, since: file.mtimeMs });
  }
  const chosen = idle.sort((a, b) => a.since - b.since).slice(0, most);
  for (const { id } of chosen) {
    if (isWriting(id)) continue;
    await catalogue.uploads.remove(id);
    await rm(join(staging, id), { force: true });
  }
  return chosen.length;
}

async function statIfThere(path: string): Promise<{ size: number; mtimeMs: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
