// Sources that are there but not in the snapshot of their volume: told as what they are, and no snapshot is made for them alone.
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

/** An OST that is missing once was taken out by Windows; any other file may have come after the snapshot, and is looked for again. */
const LOOKS = { ost: 1, other: 2 };

/**
 * What this process found left out, how often in a row, by the id of the source. Not kept on the disk: a new process asks Windows
 * again, and so does one that makes a snapshot for another source of the volume.
 */
export class LeftOut {
  readonly #found = new Map<number, number>();

  found({ id }: Source): void {
    this.#found.set(id, (this.#found.get(id) ?? 0) + 1);
  }

  /** It was in a snapshot. */
  seen({ id }: Source): void {
    this.#found.delete(id);
  }

  /** Whether a snapshot for this source alone would not have it either, as far as can be told. */
  stays({ id, kind }: Source): boolean {
    return (this.#found.get(id) ?? 0) >= (kind === 'ost' ? LOOKS.ost : LOOKS.other);
  }
}
