// How long the event loop was held up: nobody is answered meanwhile, so an operator is told.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Logger } from 'pino';

/** Between two looks, in milliseconds. */
const LOOK_MS = 10_000;
/** Above this a look is a line in the log: the most that anything may block the others for. */
const LIMIT_MS = 200;
const RESOLUTION_MS = 20;

interface LoopDelay {
  /** Milliseconds in the last whole look: of 99 of 100 measurements at most, and of all. */
  readonly p99: number;
  readonly max: number;
}

export class LoopWatch {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  #last: LoopDelay = { p99: 0, max: 0 };

  constructor(log: Pick<Logger, 'warn'>) {
    this.#histogram.enable();
    this.#timer = setInterval(() => {
      this.#last = this.#read();
      this.#histogram.reset();
      if (this.#last.max > LIMIT_MS)
        log.warn({ eventLoop: this.#last }, `the event loop was held up for ${this.#last.max} ms`);
    }, LOOK_MS);
    this.#timer.unref();
  }

  /** The larger of the last look and the one under way. */
  get delay(): LoopDelay {
    const now = this.#read();
    return { p99: Math.max(now.p99, this.#last.p99), max: Math.max(now.max, this.#last.max) };
  }

  close(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  /** What is above the resolution, in which the measuring itself is. */
  #read(): LoopDelay {
    const above = (nanoseconds: number): number => Math.max(0, Math.round(nanoseconds / 1e6) - RESOLUTION_MS);
    if (this.#histogram.count === 0) return { p99: 0, max: 0 };
    return { p99: above(this.#histogram.percentile(99)), max: above(this.#histogram.max) };
  }
}
