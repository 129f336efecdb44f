// A real snapshot, made, read and removed: the only proof that this machine can. What `doctor` calls.
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asFailure, type Failure } from '../shared/failure.ts';
import { openSnapshot, realPath, type SnapshotProvider, type SnapshotSurroundings } from './snapshot.ts';

export interface RoundTripStep {
  readonly step: 'volume' | 'create' | 'read' | 'delete';
  readonly ok: boolean;
  /** One sentence: what was found, or what went wrong. */
  readonly message: string;
  /** What to do; empty where it went well. */
  readonly hint: string;
}

/**
 * Writes a small file into `folder` (made where it is missing), freezes its volume, changes the file, reads it as it was out of the
 * snapshot, and removes snapshot and file. The steps in order, up to the first that failed; the snapshot is removed all the same.
 * Never rejects. Takes some seconds, two minutes at most where another program is in the way.
 */
export async function snapshotRoundTrip(
  provider: SnapshotProvider,
  folder: string,
  surroundings: Omit<SnapshotSurroundings, 'onLeft'>,
): Promise<readonly RoundTripStep[]> {
  const steps: RoundTripStep[] = [];
  const well = (step: RoundTripStep['step'], message: string) =>
    steps.push({ step, ok: true, message, hint: '' });
  const path = join(folder, `mailferry-doctor-${randomBytes(8).toString('hex')}.tmp`);
  const before = randomBytes(4_096);
  let at: RoundTripStep['step'] = 'volume';
  let left: Failure | undefined;
  try {
    await mkdir(folder, { recursive: true });
    await writeDurably(path, before);
    const volume = await provider.volumeOf(await realPath(path));
    if (!volume) throw new Error(`${folder} is on a volume that can make no ${provider.kind} snapshot.`);
    well('volume', `${folder} is on ${volume.root}, which can be snapshotted.`);
    at = 'create';
    const { snapshot, close } = await openSnapshot(provider, volume, {
      ...surroundings,
      onLeft: (failure) => {
        left = failure;
      },
    });
    try {
      well('create', `A ${provider.kind} snapshot of ${volume.root} was made.`);
      at = 'read';
      await writeDurably(path, randomBytes(4_096));
      const seen = await readFile(await snapshot.pathOf(path));
      if (!seen.equals(before)) throw new Error('The snapshot does not show the file as it was.');
      well('read', 'A file was read from it as it was before it changed.');
    } finally {
      await close();
    }
    if (left) throw left;
    well('delete', 'The snapshot was removed.');
  } catch (error) {
    const failure = asFailure(left ?? error);
    steps.push({ step: left ? 'delete' : at, ok: false, message: failure.message, hint: failure.hint });
  } finally {
    await rm(path, { force: true }).catch(() => {});
  }
  return steps;
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
