// Rows of the device's database that a test needs and does not care about.
import type { NewBackup, NewPack } from '../../../client/state/queue-rows.ts';

export function backupRow(id: string, source: number, over: Partial<NewBackup> = {}): NewBackup {
  return {
    id,
    source_id: source,
    base_version: null,
    size: 1_000,
    mtime: '2026-01-01T00:00:00.000Z',
    taken_at: '2026-01-02T00:00:00.000Z',
    snapshot: 'btrfs',
    outlook_running: null,
    rights: null,
    health: 'clean',
    health_notes: '[]',
    shape: null,
    mark: 'mark',
    ...over,
  };
}

export function packRow(backup: string, number: number, over: Partial<NewPack> = {}): NewPack {
  return {
    backup_id: backup,
    number,
    id: `${backup}/${number}`,
    bytes: 10,
    raw_bytes: 20,
    through: number + 1,
    runs: Buffer.from([0]),
    ...over,
  };
}
