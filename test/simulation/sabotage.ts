// Devices with one mistake each, put in behind a port: the simulation has to find them, or it proves nothing.

import type { BackupEvent, BackupState } from '../../client/backup/backup-states.ts';
import type { DeviceDb } from '../../client/state/device-db.ts';
import { Queue } from '../../client/state/queue.ts';
import type { Backup, QueuedPack, Sealed } from '../../client/state/queue-rows.ts';
import { SourceRegistry } from '../../client/state/source-registry.ts';
import type { SyncFilter } from './disk.ts';
import { PATHS } from './oracle.ts';

/** What a device is built from, where it is not what it should be. */
export interface Sabotage {
  readonly syncs?: SyncFilter;
  readonly queue?: (db: DeviceDb, sources: SourceRegistry) => Queue;
  readonly sources?: (db: DeviceDb) => SourceRegistry;
}

function baseOf(backup: Backup) {
  const { id: version, size, root, complete, fingerprint, fingerprint_file: file } = backup;
  return { version, size, root: root!, complete: complete === 1, fingerprint: fingerprint!, file: file! };
}

/** Takes a backup for the base of the next as soon as it is read. */
class Hasty extends Queue {
  readonly #sources: SourceRegistry;

  constructor(db: DeviceDb, sources: SourceRegistry) {
    super(db);
    this.#sources = sources;
  }

  override advance(id: string, event: BackupEvent, sealed?: Sealed): BackupState {
    const state = super.advance(id, event, sealed);
    const backup = this.backup(id)!;
    if (event === 'sealed') this.#sources.promote(backup.source_id, baseOf(backup), backup.mark, null);
    return state;
  }
}

/** Believes that a version is committed when it was asked for. */
class Credulous extends Queue {
  override postponeBackup(id: string, failure: string, attempts: number, at: number): void {
    if (this.backup(id)?.state === 'committing' && ['unreachable', 'stalled'].includes(failure))
      this.advance(id, 'receipt');
    else super.postponeBackup(id, failure, attempts, at);
  }
}

/** Does not remember what was sent. */
class Forgetful extends Queue {
  override packsOf(id: string): QueuedPack[] {
    return super.packsOf(id).map((pack) => ({ ...pack, state: 'staged' }));
  }
}

/** Never lets go of a base. */
class Stubborn extends SourceRegistry {
  override forgetBase(): void {}
}

export const SABOTAGES: Readonly<Record<string, Sabotage>> = {
  'fingerprint promoted before the receipt': { queue: (db, sources) => new Hasty(db, sources) },
  'directory of packs not synced before the row': {
    syncs: (path, { kind }) => kind === 'file' || !path.startsWith(`${PATHS.staging}/`),
  },
  'pack not synced before the row': { syncs: (path) => !path.endsWith('.pack.new') },
  'directory of fingerprints not synced': { syncs: (path) => path !== PATHS.fingerprints },
  'fingerprint not synced': { syncs: (path) => !path.endsWith('.fingerprint') },
  'base kept that the server does not know': { sources: (db) => new Stubborn(db) },
  'a version gives way of which something was sent': { queue: (db) => new Forgetful(db) },
  'a commit without an answer taken for done': { queue: (db) => new Credulous(db) },
};
