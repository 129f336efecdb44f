// The watchdog of one request: ends it when it is silent for too long, and lets others know of a silence long before.

/** A silence of this long is suspicious, though nothing is over yet: whether the server can be reached is asked meanwhile. */
const QUIET_MS = 3_000;

/** Who wants to know how the line is. */
export interface LineObserver {
  /** A request is silent; `down`: or found that there is no line. */
  suspect(down: boolean): void;
  /** The server said something. */
  trust(): void;
}

/** Calls `onStall` when nobody said alive() for `ms`, and lets the observer know of a silence long before. */
export class Watchdog {
  readonly #timer: NodeJS.Timeout;
  readonly #quiet: NodeJS.Timeout;
  readonly #line: LineObserver | undefined;

  constructor(ms: number, line: LineObserver | undefined, onStall: () => void) {
    this.#line = line;
    this.#timer = setTimeout(onStall, ms);
    this.#quiet = setTimeout(() => line?.suspect(false), QUIET_MS);
  }

  /** The socket took bytes, or the server said something (`heard`). */
  alive(heard: boolean): void {
    this.#timer.refresh();
    this.#quiet.refresh();
    if (heard) this.#line?.trust();
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#quiet);
  }
}
