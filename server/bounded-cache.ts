// A cache with a ceiling: what was used longest ago goes first, and one load serves all who ask for the same at once.

interface Entry<Value> {
  readonly loading: Promise<Value>;
  weight: number;
}

/** Holds values up to a total weight (bytes, counts: the caller's unit). A value heavier than the ceiling is not kept. */
export class BoundedCache<Value> {
  readonly #ceiling: number;
  readonly #weigh: (value: Value) => number;
  readonly #entries = new Map<string, Entry<Value>>();
  #total = 0;

  constructor(ceiling: number, weigh: (value: Value) => number) {
    this.#ceiling = ceiling;
    this.#weigh = weigh;
  }

  get weight(): number {
    return this.#total;
  }

  /** The value of `key`; `load` is called only where it is not there. A load that fails is not remembered. */
  get(key: string, load: () => Promise<Value>): Promise<Value> {
    const known = this.#entries.get(key);
    if (known) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.loading;
    }
    const entry: Entry<Value> = { loading: load(), weight: 0 };
    this.#entries.set(key, entry);
    entry.loading.then(
      (value) => this.#settle(key, entry, this.#weigh(value)),
      () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    );
    return entry.loading;
  }

  /** What is under `key` is not given out again. */
  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#total -= entry.weight;
  }

  #settle(key: string, entry: Entry<Value>, weight: number): void {
    if (this.#entries.get(key) !== entry) return;
    entry.weight = weight;
    this.#total += weight;
    for (const [oldest, old] of this.#entries) {
      if (this.#total <= this.#ceiling) return;
      this.#entries.delete(oldest);
      this.#total -= old.weight;
    }
  }
}
