// One process of the device on the simulated machine: the real parts, opened as client/device.ts opens them, and the agent's loop.
import { join } from 'node:path';
import { LeftOut } from '../../client/backup/left-out.ts';
import { runBackup } from '../../client/backup/run-backup.ts';
import type { Device } from '../../client/device.ts';
import { deviceFailure, isStateDamage } from '../../client/device-failure.ts';
import { blockHashes } from '../../client/fingerprint/block-hashes.ts';
import { learnLostVault, recover } from '../../client/healing/recover.ts';
import { ServerClient } from '../../client/http/server-client.ts';
import { InlineHash } from '../../client/scan/whole-hash.ts';
import { reapSnapshots, type SnapshotProvider } from '../../client/snapshot/snapshot.ts';
import { SnapshotJournal } from '../../client/snapshot/snapshot-journal.ts';
import type { DeviceDb } from '../../client/state/device-db.ts';
import { Queue } from '../../client/state/queue.ts';
import { ServerCodecs } from '../../client/state/server-codecs.ts';
import { SourceRegistry } from '../../client/state/source-registry.ts';
import { Staging } from '../../client/state/staging.ts';
import { Sender } from '../../client/upload/sender.ts';
import { INLINE_CHANGE_LIST_BYTES } from '../../shared/change-list.ts';
import type { Disk } from './disk.ts';
import type { Life } from './life.ts';
import { liveDb } from './live-db.ts';
import { MOUNT } from './mount.ts';
import { PATHS } from './oracle.ts';
import type { Sabotage } from './sabotage.ts';
import { DEVICE, RECEIPT_KEY } from './server-model.ts';
import { simulatedWorkshop } from './shop.ts';
import type { World } from './world.ts';

export const VOLUME = `${MOUNT}/volume`;
export const SNAPSHOTS = `${MOUNT}/snapshots`;
const SECRET = '5'.repeat(64);
const SERVER = 'http://server.invalid';
/** Of staging: room for a pack to be begun, and next to nothing (client/backup/take-backup.ts). */
const TIGHT_QUOTA = 33_554_432 + 500;
/** Between two looks. */
const LOOK_MS = 60_000;
/** Something left the queue for which newer states waited (client/triggers/look-plan.ts). */
const SOON_MS = 1_000;

const HASHES = blockHashes(Buffer.from(SECRET, 'hex'));

/** Freezes the volume: a copy of its files under another root. */
function snapshotsOf(disk: Disk, world: World): SnapshotProvider {
  const folder = (id: string) => join(SNAPSHOTS, id);
  return {
    kind: 'btrfs',
    volumeOf: async () => ({ root: VOLUME }),
    create: async (_volume, id) => {
      for (const [path, content] of world.sources) {
        const { mtimeMs } = disk.fileAt(path);
        disk.put(folder(id) + path.slice(VOLUME.length), content, mtimeMs);
      }
      world.frozen = new Map(world.sources);
      return { root: folder(id), handle: null, outlookRunning: null };
    },
    pathIn: (root, _volume, real) => root + real.slice(VOLUME.length),
    exists: async ({ id }) => disk.find(folder(id)) !== undefined,
    remove: async ({ id }) => {
      disk.directoryAt(SNAPSHOTS).names.delete(id);
      return true;
    },
  };
}

/** The signs of the line, given by the world. */
class Signs {
  readonly #listeners = new Set<() => void>();
  readonly waking = false;

  onSign(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  give(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

export interface Running {
  /** The line is back, or the clock was set. */
  sign(): void;
  /** Asks it to end. */
  stop(): void;
  /** It ended, as it was asked to. */
  readonly ended: Promise<void>;
}

export function startProcess(world: World, db: DeviceDb, life: Life, sabotage: Sabotage): Running {
  const signs = new Signs();
  const stop = new AbortController();
  const view = liveDb(db, life, {
    committed: () => world.committed(),
    full: () => world.disk.full && world.chance.is(0.3),
  });
  const device = deviceOf(world, { db: view, life, signs, stop, sabotage });
  // At a start on a full disk it ends, and its service starts it again.
  const ended = attend(world, device, life).catch((error: unknown) => {
    if (!life.alive || deviceFailure(error).code !== 'staging_full') throw error;
  });
  ended.catch((error: unknown) => world.broke(error));
  return { sign: () => signs.give(), stop: () => stop.abort(), ended };
}

function deviceOf(
  world: World,
  parts: { db: DeviceDb; life: Life; signs: Signs; stop: AbortController; sabotage: Sabotage },
): Device {
  const { db, life, signs, stop, sabotage } = parts;
  const sources = sabotage.sources?.(db) ?? new SourceRegistry(db);
  const queue = sabotage.queue?.(db, sources) ?? new Queue(db);
  observe(world, queue, sources);
  const http = world.network.client(life);
  const identity = {
    server: SERVER,
    device: DEVICE,
    credential: 'credential',
    receiptKey: RECEIPT_KEY,
    secret: SECRET,
  };
  return {
    now: () => world.wallClock(),
    monotonic: () => world.scheduler.now,
    interfaces: () => ({}),
    chance: () => world.chance.next(),
    newId: () => world.chance.uuid(),
    powershell: null,
    registry: null,
    stop: stop.signal,
    paths: PATHS,
    identity,
    sources,
    queue,
    staging: new Staging(PATHS),
    journal: new SnapshotJournal(db),
    snapshots: [snapshotsOf(world.disk, world)],
    leftOut: new LeftOut(),
    hashes: HASHES,
    http,
    line: signs as unknown as Device['line'],
    server: new ServerClient(http, SERVER, identity.credential),
    codecs: new ServerCodecs(db, SERVER),
    progress: { report: () => {}, say: (sentence) => world.said(sentence), clear: () => {} },
    inlineListBytes: world.faults.listsSent ? 0 : INLINE_CHANGE_LIST_BYTES,
    quota: world.faults.tight ? TIGHT_QUOTA : 2 ** 40,
  };
}

/** Lets the oracle see what is decided. */
function observe(world: World, queue: Queue, sources: SourceRegistry): void {
  const { begin, advance, advancePack, postponePack, postponeBackup } = queue;
  queue.begin = (backup) => {
    world.began(backup, sources.get(backup.source_id).path);
    begin.call(queue, backup);
  };
  queue.advance = (id, event, sealed) => {
    world.advances(id, event);
    return advance.call(queue, id, event, sealed);
  };
  queue.advancePack = (pack, event, url) => {
    world.packAdvances(pack.backup_id, pack.number, event);
    advancePack.call(queue, pack, event, url);
  };
  queue.postponePack = (pack, failure, attempts, at) => {
    world.failed(failure, failure);
    postponePack.call(queue, pack, failure, attempts, at);
  };
  queue.postponeBackup = (id, failure, attempts, at) => {
    world.failed(failure, failure);
    postponeBackup.call(queue, id, failure, attempts, at);
  };
  const { failed } = sources;
  sources.failed = (id, code, message) => {
    world.failed(code, message);
    failed.call(sources, id, code, message);
  };
}

/** As client/commands/agent.ts does it. */
async function attend(world: World, device: Device, life: Life): Promise<void> {
  const { scheduler } = world;
  let look: () => void = () => {};
  let lookAt = Number.POSITIVE_INFINITY;
  const lookWithin = (ms: number): void => {
    lookAt = Math.min(lookAt, scheduler.now + ms);
    scheduler.plan(ms, life, () => look());
  };
  await device.staging.prepare();
  await reapSnapshots(device.snapshots, { journal: device.journal, now: device.now });
  const sender = new Sender(device, {
    onReceipt: ({ version }) => {
      world.acknowledged(version.id);
      lookWithin(SOON_MS);
    },
    onReadAgain: () => lookWithin(SOON_MS),
  });
  await recover(device);
  world.recovered();
  sender.notify();
  device.line.onSign(() => lookWithin(SOON_MS));
  device.stop.addEventListener('abort', () => look());
  const seals = () => world.chance.is(world.faults.seals);
  const hash = new InlineHash();
  while (!device.stop.aborted) {
    lookAt = Number.POSITIVE_INFINITY;
    try {
      await learnLostVault(device);
      for (const path of world.sources.keys()) device.sources.register(path, 'pst');
      const workshop = simulatedWorkshop({ scheduler, life, seals, notify: () => sender.notify() }, hash);
      const sources = device.sources.all();
      await runBackup(device, sender, { sources, snapshot: 'require', wait: false, workshop });
    } catch (error) {
      if (isStateDamage(error)) throw error;
      const { code, message } = deviceFailure(error);
      world.failed(code, message);
    }
    lookWithin(LOOK_MS);
    while (scheduler.now < lookAt && !device.stop.aborted) {
      await new Promise<void>((resolve) => {
        look = resolve;
      });
    }
  }
  await sender.close();
}
