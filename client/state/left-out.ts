// Which sources Windows leaves out of the snapshots of their volume, as this process saw it: none is made again and again for them alone.
import type { Source } from './source-registry.ts';

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
