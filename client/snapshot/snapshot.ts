// The snapshot port: a frozen view of a volume, alive only while it is used, never forgotten.
import { randomUUID } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { asFailure, Failure } from '../../shared/failure.ts';
import type { SnapshotKind } from '../../shared/protocol.ts';
import { realPathForItsOwner, realPathOf } from '../far/files-here.ts';
import { OF_ANOTHER } from '../far/for-its-owner.ts';
import { isRegistryPath } from '../registry/registry.ts';
import type { JournalEntry, SnapshotJournal } from './snapshot-journal.ts';

/** A volume as a provider names it. */
export interface Volume {
  /** Its root: an absolute path. */
  readonly root: string;
}

/** A frozen view, as its provider made it. */
export interface Frozen {
  /** Its root; null where the system made a view and then could not say where it is. */
  readonly root: string | null;
  /** What the system calls it, where it does not take our id. */
  readonly handle: string | null;
  /** Whether Outlook ran when it was made; null: not known. */
  readonly outlookRunning: boolean | null;
}

/** What a provider that tries more than once says between two tries: what others make while it waits must not be taken for ours. */
export interface Tries {
  /** The try was answered: it made nothing. Nothing is asked for until the next. */
  refused(): void;
  /** The next try begins now. May throw; then it must not. */
  again(): void;
}

export interface SnapshotProvider {
  readonly kind: SnapshotKind;
  /**
   * The volume that holds `real` (an absolute path without links), or null where this provider can't freeze it. Changes nothing.
   * Failures, where there is more to say than that: `snapshot_unavailable`, `snapshot_denied`, `snapshot_failed`.
   */
  volumeOf(real: string): Promise<Volume | null>;
  /**
   * Freezes a volume under our id. Not idempotent. Failures `snapshot_*`; it may then have left a snapshot behind, which remove() finds,
   * unless the failure's detail says `nothingMade`. Tells `between` of every try after the first.
   */
  create(volume: Volume, id: string, between?: Tries): Promise<Frozen>;
  /** Where `real`, below the volume's root, lies in the frozen view. */
  pathIn(root: string, volume: Volume, real: string): string;
  /** Whether the snapshot of this entry is still there. Failure `snapshot_failed` where that can't be told. */
  exists(entry: JournalEntry): Promise<boolean>;
  /**
   * Removes the snapshot of this entry, asked for at its `made_at`, if there is one; never touches any other, above all not those of `others`. Idempotent. True:
   * none is left and none can come. False: none is there, but one that was asked for may still come; ask again later.
   * Failures `snapshot_failed`, `snapshot_denied`.
   */
  remove(entry: JournalEntry, others: readonly JournalEntry[]): Promise<boolean>;
}

/** A snapshot in use. */
export interface Snapshot {
  readonly kind: SnapshotKind;
  /** When it was taken: ISO 8601. */
  readonly takenAt: string;
  /** Whether Outlook ran then; null: not known. */
  readonly outlookRunning: boolean | null;
  /** Where `path` of the volume lies in the frozen view. Links in it are followed now: in the view they would lead out of it. */
  pathOf(path: string): Promise<string>;
  /**
   * What a failure of reading from this snapshot comes to: `snapshot_lost` where the view went away under the reader, or holds a
   * lock that belongs to the live file; else the failure itself. After `snapshot_lost` no more may be read from it.
   */
  judge(failure: Failure): Promise<Failure>;
}

/** What snapshots are taken with. */
export interface SnapshotSurroundings {
  readonly journal: SnapshotJournal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A snapshot could not be removed. It stays in the journal, and the next run tries again. */
  readonly onLeft?: (failure: Failure) => void;
}

/** An open snapshot and the way to end it. */
export interface OpenSnapshot {
  readonly snapshot: Snapshot;
  /** Removes it. Never fails: what is left is told and stays in the journal. Call once. */
  close(): Promise<void>;
}

/** Snapshots of ours that could not be removed before no more are made of a volume: Windows would drop other people's for them. */
const MOST_LEFT = 3;

/** `path` without links; its folder's, where the file itself can't be looked at. A registry key has none. */
export async function realPath(path: string): Promise<string> {
  if (isRegistryPath(path)) return path;
  try {
    return await realPathOf(path);
  } catch {
    const folder = await realPathOf(dirname(path)).catch(() => dirname(path));
    return join(folder, basename(path));
  }
}

/** The same of what is read next. Failure `source_of_another` where another user's link leads to what is not theirs. */
async function realPathToRead(path: string): Promise<string> {
  if (isRegistryPath(path)) return path;
  try {
    return await realPathForItsOwner(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== OF_ANOTHER && code !== 'ESTALE') return realPath(path);
    throw new Failure('source_unreadable', `${path} is not read for its owner: ${message}.`, {
      cause: error,
    });
  }
}

/**
 * Freezes `volume`. The journal knows of it before it exists, so that a process that dies leaves nothing that is not found; and it
 * knows of nothing while none is asked for, so that nothing is found that is not ours.
 */
export async function openSnapshot(
  provider: SnapshotProvider,
  volume: Volume,
  surroundings: SnapshotSurroundings,
): Promise<OpenSnapshot> {
  const { journal, now } = surroundings;
  assertFewLeft(provider, volume, journal);
  const ours = { id: randomUUID(), provider: provider.kind, volume: volume.root };
  const expect = () => journal.expect({ ...ours, made_at: new Date(now()).toISOString() });
  let entry = expect();
  let asked = true;
  try {
    const frozen = await provider.create(volume, entry.id, {
      refused: () => {
        asked = false;
        journal.gone(ours.id);
      },
      again: () => {
        entry = expect();
        asked = true;
      },
    });
    if (frozen.handle !== null) {
      journal.made(entry.id, frozen.handle);
      entry = { ...entry, handle: frozen.handle };
    }
    const { root } = frozen;
    if (root === null) {
      throw new Failure('snapshot_failed', `The snapshot of ${volume.root} was made, but can't be found.`);
    }
    const snapshot: Snapshot = {
      kind: provider.kind,
      takenAt: entry.made_at,
      outlookRunning: frozen.outlookRunning,
      pathOf: async (path) => provider.pathIn(root, volume, await realPathToRead(path)),
      judge: (failure) => judge(provider, entry, failure),
    };
    return { snapshot, close: () => release(provider, entry, surroundings) };
  } catch (error) {
    const nothing = !asked || (error instanceof Failure && error.detail.nothingMade === true);
    if (nothing) journal.gone(entry.id);
    else await release(provider, entry, surroundings);
    throw error;
  }
}

/** Freezes `volume`, hands the view to `use`, and removes it in every case. */
export async function withSnapshot<T>(
  provider: SnapshotProvider,
  volume: Volume,
  surroundings: SnapshotSurroundings,
  use: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  const { snapshot, close } = await openSnapshot(provider, volume, surroundings);
  try {
    return await use(snapshot);
  } finally {
    await close();
  }
}

/** Removes what earlier processes left behind: only ids of our own journal. Returns how many are gone. Never fails. */
export async function reapSnapshots(
  providers: readonly SnapshotProvider[],
  surroundings: SnapshotSurroundings,
): Promise<number> {
  const left = surroundings.journal.all();
  for (const entry of left) {
    const provider = providers.find((candidate) => candidate.kind === entry.provider);
    if (!provider) continue;
    // A process may have died between the deletion and its note: nothing is asked to be deleted twice.
    if (entry.handle !== null && !(await provider.exists(entry).catch(() => true)))
      surroundings.journal.gone(entry.id);
    else await release(provider, entry, surroundings);
  }
  return left.length - surroundings.journal.all().length;
}

async function release(
  provider: SnapshotProvider,
  entry: JournalEntry,
  { journal, onLeft }: SnapshotSurroundings,
): Promise<void> {
  const others = journal.all().filter(({ id }) => id !== entry.id);
  try {
    if (await provider.remove(entry, others)) journal.gone(entry.id);
  } catch (error) {
    onLeft?.(asFailure(error));
  }
}

function assertFewLeft(provider: SnapshotProvider, volume: Volume, journal: SnapshotJournal): void {
  const left = journal
    .all()
    .filter((entry) => entry.provider === provider.kind && entry.volume === volume.root && entry.handle);
  if (left.length < MOST_LEFT) return;
  throw new Failure(
    'snapshot_failed',
    `${left.length} earlier snapshots of ${volume.root} could not be removed, so no more is made.`,
    { detail: { left: left.map(({ handle }) => handle) } },
  );
}

/** Failures of reading that a snapshot which went away looks like. */
const DOUBTFUL: readonly string[] = [
  'source_unreadable',
  'source_locked',
  'source_missing',
  'source_changed',
];

async function judge(provider: SnapshotProvider, entry: JournalEntry, failure: Failure): Promise<Failure> {
  if (provider.kind === 'live' || !DOUBTFUL.includes(failure.code)) return failure;
  const there = await provider.exists(entry).catch(() => true);
  // A lock inside a view is none of its own (hobocopy's issue 35); a new view may be free of it.
  if (there && failure.code !== 'source_locked') return failure;
  const why = there ? 'was locked' : 'went away';
  return new Failure('snapshot_lost', `The snapshot of ${entry.volume} ${why}: ${failure.message}`, {
    cause: failure,
  });
}
