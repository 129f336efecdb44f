// A backup cut short becomes a checkpoint: what its sealed packs hold of the source, laid over its base, for the next to go on from.
import { COARSE, coarseCount } from '../../shared/block.ts';
import { toHex } from '../../shared/byte-codec.ts';
import { Failure } from '../../shared/failure.ts';
import { RECORD_BYTES, recordAt } from '../../shared/fingerprint.ts';
import { MerkleSum } from '../../shared/merkle.ts';
import type { Device } from '../device.ts';
import { FingerprintReader, FingerprintWriter } from '../fingerprint/fingerprint-file.ts';
import type { Backup } from '../state/queue-rows.ts';
import { firstDamagedPack, isBackupWhole } from '../state/row-check.ts';
import type { Base } from '../state/source-registry.ts';
import { tidyUp } from '../state/staging.ts';
import type { BackupEvent } from './backup-states.ts';

/** Told, and what a commit of such rows fails with. */
export const DAMAGED_ROWS = 'What this device had noted of a backup was damaged; its source is read again.';

/** What a checkpoint can be made of, or null where nothing can. Pure. */
export function checkpointOf(
  backup: Pick<Backup, 'size'>,
  base: Pick<Base, 'size'> | null,
  through: number,
): { size: number; blocks: number } | null {
  if (through === 0) return null;
  const prefix = Math.min(through * COARSE, backup.size);
  const size = Math.max(prefix, base?.size ?? 0);
  // A short last block of the new state over a longer one of the base would be a block that nobody hashed.
  if (prefix < size && prefix % COARSE !== 0) return null;
  return { size, blocks: coarseCount(prefix) };
}

/**
 * Cuts `backup` to a checkpoint of its packs before the first lost one: of a read that ended early (its draft fingerprint is synced
 * through the last sealed pack), or of one whose packs were damaged in staging later. A pack whose row is damaged counts as lost. It is
 * abandoned where nothing can be made of them. Idempotent up to the state it ends in.
 */
export async function sealCheckpoint(device: Device, backup: Backup): Promise<void> {
  const { queue, sources, staging, progress } = device;
  const lost = queue.lostFrom(backup.id);
  const rows = queue.packsOf(backup.id);
  const damaged = firstDamagedPack(rows);
  const now = queue.backup(backup.id);
  const isDamaged = damaged !== null || (now !== undefined && !isBackupWhole(now));
  if (isDamaged) progress.say(DAMAGED_ROWS);
  if (now && !isBackupWhole(now)) return abandon(device, backup, endOf(backup));
  const packs = rows.slice(0, damaged ?? rows.length).filter(({ number }) => lost === null || number < lost);
  const source = sources.get(backup.source_id);
  const base = source.base?.version === backup.base_version ? source.base : null;
  // A backup whose base was forgotten meanwhile has nothing to be laid over.
  const orphaned = backup.base_version !== null && base === null;
  const plan = orphaned ? null : checkpointOf(backup, base, packs.at(-1)?.through ?? 0);
  if (!plan) return abandon(device, backup, endOf(backup));
  const before = backup.fingerprint_file ?? backup.id;
  const file = device.newId();
  const { fingerprint, root } = await joinFingerprints(
    staging.fingerprintPath(file),
    [
      { path: staging.fingerprintPath(before), from: 0, to: plan.blocks },
      ...(base
        ? [{ path: staging.fingerprintPath(base.file), from: plan.blocks, to: coarseCount(plan.size) }]
        : []),
    ],
    device,
  );
  await staging.syncFingerprints();
  const cut = queue.atomically(() => {
    if (queue.lostFrom(backup.id) !== lost) return false;
    if (lost !== null || damaged !== null) queue.dropPacks(backup.id, packs.length);
    queue.advance(backup.id, 'cut-short', {
      complete: 0,
      size: plan.size,
      sha256: null,
      root,
      fingerprint,
      fingerprint_file: file,
    });
    return true;
  });
  // Another pack was lost while the fingerprint was written.
  if (!cut) {
    await staging.dropFingerprint(file);
    return sealCheckpoint(device, backup);
  }
  // It is sealed now. What can't be removed goes with the backup, or at the next start.
  await staging.sweepPacks(backup.id, new Set(packs.map((pack) => pack.number))).catch(() => {});
  await staging.dropFingerprint(before).catch(() => {});
}

/** How a backup that can't go on ends, by where it was. */
function endOf({ state }: Backup): 'lost' | 'pack-lost' {
  return state === 'scanning' ? 'lost' : 'pack-lost';
}

/** Drops everything of a backup that did not get its receipt. Idempotent up to the rows, which come first: a crash leaves only files to sweep. */
export async function abandon(
  { queue, staging }: Pick<Device, 'queue' | 'staging'>,
  backup: Backup,
  event: Extract<BackupEvent, 'lost' | 'pack-lost' | 'refused'>,
): Promise<void> {
  const now = queue.backup(backup.id);
  if (now && now.state !== 'abandoned') queue.advance(backup.id, event);
  await tidyUp(staging, backup.id, now?.fingerprint_file ?? backup.id);
}

/** Writes records `from` (inclusive) to `to` (exclusive) of each file, one after another, to a new file. */
async function joinFingerprints(
  path: string,
  parts: readonly { path: string; from: number; to: number }[],
  { hashes }: Pick<Device, 'hashes'>,
): Promise<{ fingerprint: string; root: string }> {
  const writer = await FingerprintWriter.create(path);
  try {
    const sum = new MerkleSum(hashes.sha256);
    for (const part of parts) if (part.from < part.to) await copyRecords(part, writer, sum);
    return { fingerprint: await writer.finish(), root: toHex(sum.root()) };
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

/** A Failure `fingerprint_damaged` where the file has fewer records. */
async function copyRecords(
  part: { path: string; from: number; to: number },
  writer: FingerprintWriter,
  sum: MerkleSum,
): Promise<void> {
  const reader = await FingerprintReader.open(part.path);
  try {
    let at = 0;
    for (let batch = await reader.next(); batch.length > 0 && at < part.to; batch = await reader.next()) {
      const count = batch.length / RECORD_BYTES;
      const first = Math.min(count, Math.max(0, part.from - at));
      const last = Math.min(count, part.to - at);
      for (let index = first; index < last; index++) sum.push(recordAt(batch, index).sha256);
      if (last > first) await writer.append(batch.subarray(first * RECORD_BYTES, last * RECORD_BYTES));
      at += count;
    }
    if (at < part.to) throw new Failure('fingerprint_damaged', `The fingerprint ${part.path} is too short.`);
  } finally {
    await reader.close();
  }
}
