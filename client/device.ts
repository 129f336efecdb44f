// The device as one value: its state opened, its parts at hand, closed again in every case.

import { INLINE_CHANGE_LIST_BYTES } from '../shared/change-list.ts';
import { LeftOut } from './backup/left-out.ts';
import { isStateDamage } from './device-failure.ts';
import type { BlockHashes } from './fingerprint/block-hashes.ts';
import { blockHashes } from './fingerprint/block-hashes.ts';
import { HttpClient } from './http/http-client.ts';
import { assertEnrolledAddress, clearTextWarning } from './http/plain-http.ts';
import { ServerClient } from './http/server-client.ts';
import type { Way } from './http/way.ts';
import { Line } from './line/line.ts';
import type { Interfaces } from './line/network-watch.ts';
import { followed } from './moving.ts';
import type { Progress } from './progress.ts';
import type { Registry } from './registry/registry.ts';
import { keepHeapSmall } from './small-heap.ts';
import { snapshotProviders } from './snapshot/providers.ts';
import { reapSnapshots, type SnapshotProvider } from './snapshot/snapshot.ts';
import { SnapshotJournal } from './snapshot/snapshot-journal.ts';
import type { PowerShell } from './snapshot/vss/powershell.ts';
import { clearExports } from './state/clear-exports.ts';
import { type DeviceDb, openDeviceDb, putAside } from './state/device-db.ts';
import { Queue } from './state/queue.ts';
import { ServerCodecs } from './state/server-codecs.ts';
import { SourceRegistry } from './state/source-registry.ts';
import { Staging } from './state/staging.ts';
import {
  credentialOf,
  type Identity,
  loadIdentity,
  lockState,
  type StatePaths,
} from './state/state-directory.ts';

/** Time, chance and a way to stop: what the main file hands in. */
export interface Surroundings {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds that never go back. */
  readonly monotonic: () => number;
  /** The machine's addresses. */
  readonly interfaces: () => Interfaces;
  /** 0 to 1. */
  readonly chance: () => number;
  readonly newId: () => string;
  /** Windows PowerShell and the script it is asked by; null where this is no Windows. */
  readonly powershell: PowerShell | null;
  /** The registry, given a folder for its exports; null where the machine has none. */
  readonly registry: ((scratch: string) => Registry) | null;
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
  readonly leftOut: LeftOut;
  readonly hashes: BlockHashes;
  readonly http: HttpClient;
  readonly line: Line;
  readonly server: ServerClient;
  readonly codecs: ServerCodecs;
  readonly progress: Progress;
  /** Bytes. */
  readonly quota: number;
  /** A change list of up to so many bytes goes inside its commit. */
  readonly inlineListBytes: number;
}

export interface OpenOptions {
  readonly paths: StatePaths;
  readonly surroundings: Surroundings;
  readonly progress: Progress;
  /** Bytes. */
  readonly quota: number;
  /** How the server is reached; as nobody says otherwise. */
  readonly way?: Way;
}

/** How long a probe of the line may take. */
const PROBE_MS = 2_000;

/** Opens the device's state for this process alone, hands it to `use`, and closes it. */
export async function withDevice<T>(options: OpenOptions, use: (device: Device) => Promise<T>): Promise<T> {
  const { paths, surroundings, progress, quota, way } = options;
  keepHeapSmall();
  const identity = await loadIdentity(paths);
  assertEnrolledAddress(identity);
  const warning = clearTextWarning(identity.server);
  if (warning !== null) progress.say(warning);
  const unlock = lockState(paths);
  const closing: (() => void)[] = [unlock];
  let damaged = false;
  closing.push(() => {
    if (damaged) putAside(paths.db, surroundings.now());
  });
  try {
    const db = openOrRenew(options);
    closing.push(() => db.close());
    const line: Line = new Line({ ...surroundings, probe: () => server.probe(PROBE_MS) });
    closing.push(() => line.close());
    const http: HttpClient = new HttpClient({ line, ...(way ? { way } : {}) });
    closing.push(() => http.close());
    const codecs = new ServerCodecs(db, identity.server);
    const server: ServerClient = new ServerClient(
      http,
      identity.server,
      identity.credential,
      () => credentialOf(paths, identity.device),
      surroundings.now,
      (readable) => codecs.heard(readable),
    );
    server.whenMoved(followed({ paths, http, say: (sentence) => progress.say(sentence) }));
    const staging = new Staging(paths);
    await staging.prepare();
    const journal = new SnapshotJournal(db);
    const registry = surroundings.registry?.(paths.exports) ?? null;
    await clearExports(paths.exports, { registry, say: (sentence) => progress.say(sentence) });
    const snapshots = await snapshotProviders(surroundings, paths.exports);
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
      leftOut: new LeftOut(),
      hashes: blockHashes(Buffer.from(identity.secret, 'hex')),
      http,
      line,
      server,
      codecs,
      progress,
      quota,
      inlineListBytes: INLINE_CHANGE_LIST_BYTES,
    });
  } catch (error) {
    // Larger databases are not looked through when they are opened, so that this has to be remembered.
    damaged = isStateDamage(error);
    throw error;
  } finally {
    for (const close of closing.reverse()) close();
  }
}

/** The database; where it is damaged, a new one in its place: what the server holds is learnt from it again. */
function openOrRenew({ paths, surroundings, progress }: OpenOptions): DeviceDb {
  try {
    return openDeviceDb(paths.db);
  } catch (error) {
    if (!isStateDamage(error)) throw error;
    putAside(paths.db, surroundings.now());
    progress.say(`${paths.db} was damaged and put aside; it is made again from what the server holds.`);
    return openDeviceDb(paths.db);
  }
}
