// Sources that are there but not in the snapshot of their volume: told as what they are.
import { Failure } from '../../shared/failure.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { Source } from '../state/source-registry.ts';
import { isThere } from './source-file.ts';

/** That `source` is left out of snapshots, in a sentence that says no more than is known. */
export function leftOutFailure({ kind, path }: Source): Failure {
  // Windows takes out what the registry key FilesNotToSnapshot names, the value OutlookOST above all (Microsoft, "Excluding Files from
  // Shadow Copies").
  const message =
    kind === 'ost'
      ? `${path} is left out of snapshots by Windows.`
      : `${path} is there, but not in the snapshot of its volume: it came after that, or Windows was told to leave it out.`;
  return new Failure('snapshot_unavailable', message);
}

/**
 * What it comes to that a source is not in its snapshot (`failure`, a `source_missing`): `snapshot_lost` where the snapshot itself is
 * not there any more, the failure of a source that is left out where the live file is there, else that it is missing.
 */
export async function missingIn(snapshot: Snapshot, source: Source, failure: Failure): Promise<Failure> {
  if (snapshot.kind === 'live' || snapshot.kind === 'export') return failure;
  const judged = await snapshot.judge(failure);
  if (judged.code !== 'source_missing') return judged;
  return (await isThere(source.path)) ? leftOutFailure(source) : judged;
}
