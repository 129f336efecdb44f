// The snapshot providers of this machine, in the order they are asked.
import { win32 } from 'node:path';
import { pause } from '../pause.ts';
import type { SnapshotProvider } from '../snapshot.ts';
import { btrfsSnapshots } from './btrfs.ts';
import { liveFiles } from './live.ts';
import type { PowerShell } from './vss/powershell.ts';
import { vssSnapshots } from './vss.ts';

export interface ProviderSurroundings {
  /** Null where this is no Windows. */
  readonly powershell: PowerShell | null;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** 0 to 1. */
  readonly chance: () => number;
  readonly stop: AbortSignal;
}

export function snapshotProviders(surroundings: ProviderSurroundings): readonly SnapshotProvider[] {
  const { powershell, now, chance, stop } = surroundings;
  if (!powershell) return [btrfsSnapshots, liveFiles];
  return [
    vssSnapshots({ powershell, now, chance, pause: (ms) => pause(ms, stop), stop, path: win32 }),
    liveFiles,
  ];
}
