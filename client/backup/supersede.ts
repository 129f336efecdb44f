// Days without a line: a version that waits gives way to a newer state of its source, so that staging holds what is worth sending.
import type { Device } from '../device.ts';
import type { Backup, QueuedPack } from '../state/queue-rows.ts';
import type { Source } from '../state/source-registry.ts';
import { tidyUp } from '../state/staging.ts';

/**
 * A version that is worth this part of its source or more is not made again for every change: a first backup of gigabytes that waits
 * for a line goes first, and newer states follow as small changes of it.
 */
const SMALL_PART = 1 / 4;

/**
 * The rule: a version gives way where nothing of it was sent (then nothing is sent in vain), where it is whole (a checkpoint is the
 * way forward of something large), where it starts from what the server holds (so that the newer one can start there too), and where
 * it is small. Pure.
 */
export function givesWay(
  backup: Pick<Backup, 'state' | 'complete' | 'base_version' | 'size'>,
  packs: readonly Pick<QueuedPack, 'state' | 'raw_bytes'>[],
  source: Pick<Source, 'base'>,
): boolean {
  const raw = packs.reduce((sum, pack) => sum + pack.raw_bytes, 0);
  return (
    backup.state === 'uploading' &&
    backup.complete === 1 &&
    source.base !== null &&
    backup.base_version === source.base.version &&
    packs.every(({ state }) => state === 'staged') &&
    raw < backup.size * SMALL_PART
  );
}

/** The backups of a source on their way, oldest first, and whether each gives way to a newer state. */
export function onTheirWay(
  { queue }: Pick<Device, 'queue'>,
  source: Source,
): { backup: Backup; givesWay: boolean }[] {
  return queue
    .activeOf(source.id)
    .map((backup) => ({ backup, givesWay: givesWay(backup, queue.packsOf(backup.id), source) }));
}

/** Marks the older backups that give way to `newer` as superseded; to be called in the transaction that makes the newer one whole. */
export function supersede(device: Pick<Device, 'queue'>, source: Source, newer: string): Backup[] {
  const older = onTheirWay(device, source).filter(({ backup, givesWay }) => backup.id !== newer && givesWay);
  for (const { backup } of older) device.queue.advance(backup.id, 'superseded');
  return older.map(({ backup }) => backup);
}

/** Frees what superseded backups took; never a failure. */
export async function releaseSuperseded(
  { staging }: Pick<Device, 'staging'>,
  backups: readonly Backup[],
): Promise<void> {
  for (const { id, fingerprint_file } of backups) await tidyUp(staging, id, fingerprint_file ?? id);
}
