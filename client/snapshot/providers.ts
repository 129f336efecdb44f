// The snapshot providers of this machine, in the order they are asked.
import { win32 } from 'node:path';
import { pause } from '../pause.ts';
import type { Registry } from '../registry/registry.ts';
import { btrfsSnapshots } from './btrfs.ts';
import { liveFiles } from './live.ts';
import type { SnapshotProvider } from './snapshot.ts';
import type { PowerShell } from './vss/powershell.ts';

export interface ProviderSurroundings {
  /** Null where this is no Windows. */
  readonly powershell: PowerShell | null;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** 0 to 1. */
  readonly chance: () => number;
  readonly stop: AbortSignal;
  /** The registry, given a folder that only its owner can look into; null where the machine has none. */
  readonly registry: ((scratch: string) => Registry) | null;
}

/** `exports`: a folder for registry exports, which only its owner can look into. What only Windows has is loaded only there. */
export async function snapshotProviders(
  surroundings: ProviderSurroundings,
  exports: string,
): Promise<readonly SnapshotProvider[]> {
  const { powershell, now, chance, stop, registry } = surroundings;
  if (!powershell) return [btrfsSnapshots, liveFiles];
  const [{ registryExports }, { vssSnapshots }] = await Promise.all([
    import('./registry-export.ts'),
    import('./vss.ts'),
  ]);
  return [
    ...(registry ? [registryExports(registry(exports), exports)] : []),
    vssSnapshots({ powershell, now, chance, pause: (ms) => pause(ms, stop), stop, path: win32 }),
    liveFiles,
  ];
}
