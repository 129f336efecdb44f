// The snapshot port: a frozen view of a volume, alive only while it is used, never forgotten.
import { randomUUID } from 'node:crypto';
import { relative, resolve, sep } from 'node:path';
import type { SnapshotKind } from '../shared/protocol.ts';
import type { SnapshotJournal } from './snapshot-journal.ts';

/** A volume as a provider names it. */
export interface Volume {
  /** Its root: an absolute path. */
  readonly root: string;
}

export interface SnapshotProvider {
  readonly kind: SnapshotKind;
  /** The volume that holds `path`, or null where this provider can't freeze it. Changes nothing. */
  volumeOf(path: string): Promise<Volume | null>;
  /**
   * Freezes a volume under our id and returns the root of the frozen view. Not idempotent. Failure `snapshot_failed`; it may
   * then have left a snapshot behind, which remove() finds by the id.
   */
  create(volume: Volume, id: string): Promise<string>;
  /** Removes the snapshot of that id if there is one. Idempotent; never touches any other. Failure `snapshot_failed`. */
  remove(volume: Volume, id: string): Promise<void>;
}

/** A snapshot in use. */
export interface Snapshot {
  readonly kind: SnapshotKind;
  /** When it was taken: ISO 8601. */
  readonly takenAt: string;
  /** Where `path` of the volume lies in the frozen view. */
  pathOf(path: string): string;
}

/**
 * Freezes `volume`, hands the view to `use`, and removes it in every case. The journal knows of it before it exists, so that a
 * process that dies in between leaves nothing that the next start does not find.
 */
export async function withSnapshot<T>(
  provider: SnapshotProvider,
  volume: Volume,
  { journal, now }: { journal: SnapshotJournal; now: () => number },
  use: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  const id = randomUUID();
  const takenAt = new Date(now()).toISOString();
  journal.expect({ id, provider: provider.kind, volume: volume.root, made_at: takenAt });
  try {
    const frozen = await provider.create(volume, id);
    const pathOf = (path: string) => resolve(frozen, relative(volume.root, path).split(sep).join('/'));
    return await use({ kind: provider.kind, takenAt, pathOf });
  } finally {
    await provider.remove(volume, id);
    journal.gone(id);
  }
}

/** Removes what earlier processes left behind: only ids of our own journal. Returns how many there were. */
export async function reapSnapshots(
  providers: readonly SnapshotProvider[],
  journal: SnapshotJournal,
): Promise<number> {
  const left = journal.all();
  for (const entry of left) {
    const provider = providers.find((candidate) => candidate.kind === entry.provider);
    if (!provider) continue;
    await provider.remove({ root: entry.volume }, entry.id);
    journal.gone(entry.id);
  }
  return left.length;
}
