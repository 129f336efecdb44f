// Notices that the machine slept, or that its clock was set: by two clocks that went apart, or by a timer that came far too late.

/** Between two looks. */
const TICK_MS = 1_000;
/** A tick this late is a sleep (or a process that was stopped), and no busy machine. */
const LATE_MS = 5_000;

export interface Clocks {
  /** Milliseconds since 1970, as the machine believes. */
  readonly now: () => number;
  /** Milliseconds that never go back. On Linux and macOS they stand still while the machine sleeps, on Windows they do not. */
  readonly monotonic: () => number;
}

/** Whether between two looks the machine slept or its clock was set. Pure. */
export function jumped(
  before: { now: number; monotonic: number },
  after: { now: number; monotonic: number },
): boolean {
  const wall = after.now - before.now;
  const steady = after.monotonic - before.monotonic;
  return steady > TICK_MS + LATE_MS || Math.abs(wall - steady) > LATE_MS;
}

/** Calls `onWake` after each jump, until the function returned is called. Does not keep the process alive. */
export function watchWake({ now, monotonic }: Clocks, onWake: () => void): () => void {
  const read = () => ({ now: now(), monotonic: monotonic() });
  let last = read();
  const timer = setInterval(() => {
    const before = last;
    last = read();
    if (jumped(before, last)) onWake();
  }, TICK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
