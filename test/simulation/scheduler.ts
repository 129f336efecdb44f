// Time of a simulation: one thing happens after another, at the time and in the order that the seed says; nothing waits really.
import { Died, type Life } from './life.ts';

/** The real one: the simulated world has another (mount.ts). */
const nextTurn = setImmediate;

export interface Planned {
  /** Milliseconds. */
  readonly at: number;
  readonly order: number;
  /** Whose it is; what a dead process planned does not happen. null: the world's. */
  readonly life: Life | null;
  readonly run: () => void;
  cancelled: boolean;
}

export class Scheduler {
  readonly #heap: Planned[] = [];
  #order = 0;
  /** Milliseconds since the beginning; never goes back. */
  now = 0;
  /** Things that happened. */
  steps = 0;

  /** Plans `run` for `ms` from now. */
  plan(ms: number, life: Life | null, run: () => void): Planned {
    const planned = { at: this.now + Math.max(0, ms), order: this.#order++, life, run, cancelled: false };
    this.#push(planned);
    return planned;
  }

  /** Lets the next thing happen, and everything that follows from it at once. False: nothing is planned. */
  async step(): Promise<boolean> {
    const next = this.#next();
    if (!next) return false;
    this.now = next.at;
    this.steps++;
    try {
      next.run();
    } catch (error) {
      if (!(error instanceof Died)) throw error;
    }
    // All promises that this settled, and those that they settle, are dealt with before a turn of the event loop ends.
    await new Promise<void>((resolve) => nextTurn(resolve));
    return true;
  }

  #next(): Planned | undefined {
    for (let top = this.#pop(); top; top = this.#pop()) {
      if (!top.cancelled && top.life?.alive !== false) return top;
    }
    return undefined;
  }

  #push(planned: Planned): void {
    const heap = this.#heap;
    let at = heap.push(planned) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(planned, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = planned;
  }

  #pop(): Planned | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (!last || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

function before(a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
