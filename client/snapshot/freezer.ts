// Who freezes the volume of a source: the best provider that the choice allows, and the reason where there is none.
import { asFailure, Failure } from '../../shared/failure.ts';
import type { SnapshotKind } from '../../shared/protocol.ts';
import { isRegistryPath } from '../registry/registry.ts';
import { realPath, type SnapshotProvider, type Volume } from './snapshot.ts';

/**
 * Which snapshots a run may use: one kind; the best there is or none (`prefer`); the best there is or a failure (`require`); none,
 * so that the live file is read (`never`, which is the kind `live`).
 */
export type SnapshotChoice = SnapshotKind | 'prefer' | 'require' | 'never';

export interface Freezer {
  readonly provider: SnapshotProvider;
  readonly volume: Volume;
  /** Why it is the live file, where a snapshot was preferred: a whole sentence about its volume. */
  readonly instead?: string;
}

/**
 * The freezer of `path`; never the live file unless it was asked for, or preferred to nothing. Failures `snapshot_*`: those of the
 * first provider that had something to say, or `snapshot_unavailable`.
 */
export async function freezerOf(
  providers: readonly SnapshotProvider[],
  path: string,
  choice: SnapshotChoice,
): Promise<Freezer> {
  const general = choice === 'prefer' || choice === 'require';
  const real = await realPath(path);
  const isAllowed = ({ kind }: SnapshotProvider) => {
    // A registry key can only be exported, and is always whole then: whatever the choice, it is what was asked for.
    if (isRegistryPath(path)) return kind === 'export';
    if (general) return choice === 'prefer' || kind !== 'live';
    return kind === (choice === 'never' ? 'live' : choice);
  };
  let reason: Failure | undefined;
  for (const provider of providers) {
    if (!isAllowed(provider)) continue;
    try {
      const volume = await provider.volumeOf(real);
      if (!volume) continue;
      if (choice !== 'prefer' || provider.kind !== 'live') return { provider, volume };
      const why = reason?.message ?? 'No snapshot of the volume can be made here.';
      return { provider, volume, instead: why };
    } catch (error) {
      reason ??= asFailure(error);
    }
  }
  if (reason) throw reason;
  const which = general ? 'no kind of snapshot' : `no ${choice} snapshot`;
  throw new Failure('snapshot_unavailable', `${path} is on a volume that can make ${which}.`);
}
