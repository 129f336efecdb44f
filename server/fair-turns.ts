// One thing at a time for all devices together, and each device as much of it as any other, whatever it asks for at once.

interface Waiting {
  readonly weight: number;
  readonly begin: () => void;
}

interface Line {
  readonly waiting: Waiting[];
  /** What was done for the device so far, and is being done: the least is served next. */
  served: number;
}

/**
 * Turns between names, weighted: of those that wait the one for which the least was done begins. Who comes anew begins where the
 * least served of the others is, so that nobody saves turns up. Nothing is kept for a name that nobody waits for.
 */
export class FairTurns {
  readonly #lines = new Map<string, Line>();
  #isBusy = false;
  /** Of the line that was served last. */
  #level = 0;

  /**
   * Runs `work` in a turn of `name`. `weight`: what it costs at most as far as is known before, in the caller's unit; `work` may give the
   * true cost, where that is more, to `cost`.
   */
  async take<Result>(
    name: string,
    weight: number,
    work: (cost: (weight: number) => void) => Promise<Result>,
  ): Promise<Result> {
    const line = this.#lines.get(name) ?? { waiting: [], served: this.#level };
    this.#lines.set(name, line);
    await new Promise<void>((resolve) => {
      line.waiting.push({ weight, begin: resolve });
      this.#next();
    });
    try {
      return await work((actual) => {
        line.served += Math.max(0, actual - weight);
      });
    } finally {
      this.#isBusy = false;
      this.#next();
    }
  }

  #next(): void {
    if (this.#isBusy) return;
    let least: Line | undefined;
    for (const [name, line] of this.#lines) {
      if (line.waiting.length === 0) {
        // What it had more than others is remembered for as long as others wait below it.
        if (line.served <= this.#level) this.#lines.delete(name);
      } else if (!least || line.served < least.served) least = line;
    }
    if (!least) {
      this.#lines.clear();
      this.#level = 0;
      return;
    }
    const { weight, begin } = least.waiting.shift()!;
    this.#isBusy = true;
    this.#level = least.served;
    least.served += weight;
    begin();
  }
}
