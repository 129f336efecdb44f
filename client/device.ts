// The device as one value: its state opened, its parts at hand, closed again in every case.

import { openDeviceDb } from './device-db.ts';
import type { BlockHashes } from './fingerprint/block-hashes.ts';
import { blockHashes } from './fingerprint/block-hashes.ts';
import { HttpClient } from './http/http-client.ts';
import { ServerClient } from './http/server-client.ts';
import type { Progress } from './progress.ts';
import { Queue } from './queue.ts';
import { snapshotProviders } from './snapshot/providers.ts';
import type { PowerShell } from './snapshot/vss/powershell.ts';
import { reapSnapshots, type SnapshotProvider } from './snapshot.ts';
import { SnapshotJournal } from './snapshot-journal.ts';
import { SourceRegistry } from './source-registry.ts';
import { Staging } from './staging.ts';
import { type Identity, loadIdentity, lockState, type StatePaths } from './state-directory.ts';

/** Time, chance and a way to stop: what the main file hands in. */
export interface Surroundings {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** 0 to 1. */
  readonly chance: () => number;
  readonly newId: () => string;
  /** Windows PowerShell and the script it is asked by; null where this is no Windows. */
  readonly powershell: PowerShell | null;
  /** Aborted when the process is asked to end: work stops where it can go on later. */
  readonly stop: AbortSignal;
}

export interface Device extends Surroundings {
  readonly paths: StatePaths;
  readonly identity: Identity;
  readonly sources: SourceRegistry;
  readonly queue: Queue;
  readonly staging: Staging;
  readonly journal: SnapshotJournal;
  readonly snapshots: readonly SnapshotProvider[];
  readonly hashes: BlockHashes;
  readonly http: HttpClient;
  readonly server: ServerClient;
  readonly progress: Progress;
  /** Bytes. */
  readonly quota: number;
}

/** Opens the device's state for this process alone, hands it to `use`, and closes it. */
export async function withDevice<T>(
  options: { paths: StatePaths; surroundings: Surroundings; progress: Progress; quota: number },
  use: (device: Device) => Promise<T>,
): Promise<T> {
  const { paths, surroundings, progress, quota } = options;
  const identity = await loadIdentity(paths);
  const unlock = lockState(paths);
  const db = openDeviceDb(paths.db);
  const http = new HttpClient();
  try {
    const staging = new Staging(paths);
    await staging.prepare();
    const journal = new SnapshotJournal(db);
    const snapshots = snapshotProviders(surroundings);
    await reapSnapshots(snapshots, {
      journal,
      now: surroundings.now,
      onLeft: (failure) => progress.say(failure.message),
    });
    return await use({
      ...surroundings,
      paths,
      identity,
      sources: new SourceRegistry(db),
      queue: new Queue(db),
      staging,
      journal,
      snapshots,
      hashes: blockHashes(Buffer.from(identity.secret, 'hex')),
      http,
      server: new ServerClient(http, identity.server, identity.credential),
      progress,
      quota,
    });
  } finally {
    http.close();
    db.close();
    unlock();
  }
}
