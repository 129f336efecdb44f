// Takes the backups of the sources of one volume out of its snapshot; where that is lost, the rest come out of a new one.
import { asFailure, type Failure } from '../../shared/failure.ts';
import type { SnapshotKind } from '../../shared/protocol.ts';
import type { Device } from '../device.ts';
import { deviceFailure, isStateDamage } from '../device-failure.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { SnapshotPool } from '../snapshot/snapshot-pool.ts';
import type { Source } from '../state/source-registry.ts';
import type { Group } from './changed-sources.ts';
import { takeSource } from './source-sets.ts';
import type { Taken, Workshop } from './take-backup.ts';

export interface GroupWork {
  readonly device: Device;
  readonly snapshots: SnapshotPool;
  readonly shop: Workshop;
  /** Read the live file where no snapshot can be made; it is said. */
  readonly prefer: boolean;
  /** `kind`: what it was read from. */
  readonly taken: (source: Source, taken: Taken, kind: SnapshotKind) => void;
  readonly failed: (source: Source, error: unknown) => void;
}

/** Each source of the group is told to `taken` or to `failed`, but for those that a stop left. Throws for damaged state alone. */
export async function takeGroup(group: Group, work: GroupWork): Promise<void> {
  const { device } = work;
  const left = [...group.sources];
  let { provider, volume } = group;
  while (left.length > 0 && !device.stop.aborted) {
    try {
      await work.snapshots.use(provider, volume, (snapshot) => takeFrom(snapshot, left, work));
    } catch (error) {
      const live = device.snapshots.find(({ kind }) => kind === 'live');
      const instead =
        work.prefer && !isStateDamage(error) && !['live', 'export'].includes(provider.kind)
          ? await live?.volumeOf(left[0]!.path)
          : null;
      if (!live || !instead) {
        for (const source of left.splice(0)) work.failed(source, error);
        if (isStateDamage(error)) throw error;
        return;
      }
      device.progress.say(`Sources on ${volume.root} are read live. ${asFailure(error).message}`);
      provider = live;
      volume = instead;
    }
  }
}

/** Takes what is left, one by one, until all is done, or the snapshot is lost and the rest needs another. */
async function takeFrom(snapshot: Snapshot, left: Source[], work: GroupWork): Promise<void> {
  const { device, shop } = work;
  for (let first = left[0]; first && !device.stop.aborted; first = left[0]) {
    const source = device.sources.get(first.id);
    let failure: Failure | undefined;
    try {
      let taken = await takeSource(device, source, snapshot, shop);
      if (taken.outcome === 'cut-short') {
        failure = await snapshot.judge(taken.failure);
        taken = { ...taken, failure };
      }
      work.taken(source, taken, snapshot.kind);
    } catch (error) {
      if (isStateDamage(error)) throw error;
      failure = await snapshot.judge(deviceFailure(error));
      work.failed(source, failure);
    }
    left.shift();
    shop.notify();
    if (failure?.code === 'snapshot_lost') {
      device.progress.say(`${failure.message} ${failure.hint}`);
      return;
    }
  }
}
