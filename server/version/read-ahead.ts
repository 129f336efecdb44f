// Reads that are begun before they are asked for: as many as one reader may have, and all readers together.

export interface ReadAheadLimits {
  /** Reads that one series has under way. */
  readonly each: number;
  /** The same over all series: beyond it each has one. */
  readonly ofAll: number;
}

/** Shared by all series whose results wait in the same memory. */
export class ReadAhead {
  readonly #limits: ReadAheadLimits;
  #underWay = 0;

  constructor(limits: ReadAheadLimits) {
    this.#limits = limits;
  }

  /**
   * The results of `reads`, in their order. A failure is met where its result is due; what is under way then, or when whoever
   * reads stops, counts no longer.
   */
  async *over<Result>(reads: AsyncIterator<() => Promise<Result>>): AsyncGenerator<Result> {
    const ahead: Promise<Result>[] = [];
    let ended = false;
    try {
      for (;;) {
        while (!ended && this.#mayBegin(ahead.length)) {
          const next = await reads.next();
          if (next.done) {
            ended = true;
          } else {
            ahead.push(begun(next.value));
            this.#underWay++;
          }
        }
        if (ahead.length === 0) return;
        const result = await ahead[0]!;
        ahead.shift();
        this.#underWay--;
        yield result;
      }
    } finally {
      this.#underWay -= ahead.length;
    }
  }

  #mayBegin(mine: number): boolean {
    return mine === 0 || (mine < this.#limits.each && this.#underWay < this.#limits.ofAll);
  }
}

function begun<Result>(read: () => Promise<Result>): Promise<Result> {
  const result = read();
  // A failure that comes before its turn must not count as unhandled.
  result.catch(() => undefined);
  return result;
}
