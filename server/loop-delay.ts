// How long the event loop was held up: nobody is answered meanwhile, so an operator is told.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Logger } from 'pino';

/** Between two looks, in milliseconds. */
const LOOK_MS = 10_000;
/** Above this a look is a line in the log: the most that anything may block the others for. */
const LIMIT_MS = 200;
const RESOLUTION_MS = 20;
/** A delay that ends while a look does belongs to it: its measurement comes at most so much later. */
const OVERLAP_MS = 5 * RESOLUTION_MS;

type Histogram = ReturnType<typeof monitorEventLoopDelay>;

interface LoopDelay {
  /** Milliseconds in the last whole look: of 99 of 100 measurements at most, and of all. */
  readonly p99: number;
  readonly max: number;
}

const NONE: LoopDelay = { p99: 0, max: 0 };

export class LoopWatch {
  readonly #log: Pick<Logger, 'warn'>;
  readonly #timer: NodeJS.Timeout;
  #running = startedHistogram();
  /** Reads the last look, which measures on for OVERLAP_MS. */
  #last: () => LoopDelay = () => NONE;

  /** A look takes `lookMs`. */
  constructor(log: Pick<Logger, 'warn'>, lookMs = LOOK_MS) {
    this.#log = log;
    this.#timer = setInterval(() => this.#look(), lookMs);
    this.#timer.unref();
  }

  /** The larger of the last look and the one under way. */
  get delay(): LoopDelay {
    const [now, last] = [delayOf(this.#running), this.#last()];
    return { p99: Math.max(now.p99, last.p99), max: Math.max(now.max, last.max) };
  }

  close(): void {
    clearInterval(this.#timer);
    this.#running.disable();
  }

  /**
   * A histogram that starts, or is reset, misses the delay behind which it does: the old one measures on beside the next one for a while.
   */
  #look(): void {
    const old = this.#running;
    this.#running = startedHistogram();
    this.#last = () => delayOf(old);
    setTimeout(() => {
      old.disable();
      const last = delayOf(old);
      this.#last = () => last;
      if (last.max > LIMIT_MS)
        this.#log.warn({ eventLoop: last }, `the event loop was held up for ${last.max} ms`);
    }, OVERLAP_MS).unref();
  }
}

function startedHistogram(): Histogram {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  return histogram;
}

/** What is above the resolution, in which the measuring itself is. */
function delayOf(histogram: Histogram): LoopDelay {
  const above = (nanoseconds: number): number => Math.max(0, Math.round(nanoseconds / 1e6) - RESOLUTION_MS);
  if (histogram.count === 0) return NONE;
  return { p99: above(histogram.percentile(99)), max: above(histogram.max) };
}
