// The packs that this process has read in full not long ago: only of these does the index alone say what their frames hold.

/** How long the reading of a pack counts: a first backup over a slow line, whose last commit is to be quick, is mostly done in it. */
const COUNTS_MS = 6 * 3_600_000;
/** Packs remembered at most, at some 200 bytes each; of more, those that were read longest ago are read again at a commit. */
const MOST = 4_096;

export class CheckedPacks {
  readonly #now: () => number;
  readonly #most: number;
  /** When each was read, the oldest first. */
  readonly #readAt = new Map<string, number>();

  /** `now`: milliseconds since 1970. `most`: packs to remember. */
  constructor(now: () => number, most = MOST) {
    this.#now = now;
    this.#most = most;
  }

  /** Every byte of the pack was just read and compared, and it is published. */
  add(device: string, id: string): void {
    const key = `${device}/${id}`;
    this.#readAt.delete(key);
    this.#readAt.set(key, this.#now());
    for (const oldest of this.#readAt.keys()) {
      if (this.#readAt.size <= this.#most) return;
      this.#readAt.delete(oldest);
    }
  }

  /** Whether it was read so short a time ago that it counts. Not where the clock went back: nobody knows how long ago that was. */
  has(device: string, id: string): boolean {
    const age = this.#now() - (this.#readAt.get(`${device}/${id}`) ?? Number.NEGATIVE_INFINITY);
    return age >= 0 && age <= COUNTS_MS;
  }

  /** It was found damaged, or is gone. */
  forget(device: string, id: string): void {
    this.#readAt.delete(`${device}/${id}`);
  }
}
