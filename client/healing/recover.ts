// What an earlier process left half done, brought to a state that can go on.
import { BACKUP_STATES } from '../backup/backup-states.ts';
import { abandon, sealCheckpoint } from '../backup/seal-checkpoint.ts';
import type { Device } from '../device.ts';
import { isStateDamage } from '../device-failure.ts';

/** Call once, before anything else. One backup that can't be gone on with never keeps the others from it. */
export async function recover(device: Device): Promise<void> {
  const { queue, sources, staging } = device;
  // The waits of an earlier process were counted by a clock that may have been set since.
  queue.retryNow();
  await settleScans(device);
  const active = queue.active().filter(({ state }) => BACKUP_STATES.includes(state));
  const files = [
    ...sources.all().map(({ base }) => base?.file),
    ...active.map((backup) => backup.fingerprint_file),
  ];
  await staging.sweep(
    new Set(active.map((backup) => backup.id)),
    new Set(files.filter((file) => file !== undefined && file !== null)),
    device.now(),
  );
}

/**
 * Brings backups whose reading ended without a word to an end: a checkpoint of what was sealed, or nothing. To be called where
 * nothing is being read: at a start, and before each look, since the disk may not have taken the word.
 */
export async function settleScans(device: Device): Promise<void> {
  for (const backup of device.queue.active()) {
    if (backup.state !== 'scanning') continue;
    try {
      await sealCheckpoint(device, backup);
    } catch (error) {
      if (isStateDamage(error)) throw error;
      await abandon(device, backup, 'lost');
    }
  }
}

/** Where this device's database was lost, learns what it held from the server, if that can be reached. Before sources are chosen. */
export async function learnLostVault(device: Device): Promise<void> {
  if (device.sources.learntVault) return;
  // Loaded only after a loss.
  const { learnVaultIfReachable } = await import('./learn-vault.ts');
  await learnVaultIfReachable(device);
}
