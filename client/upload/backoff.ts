// How long to wait before the next attempt: doubling, bounded, with chance in it so that a thousand devices do not knock at once.

const FIRST_MS = 500;
/** On the road the line is back within minutes; a device asks that often for ever, which costs next to nothing. */
const MOST_MS = 60_000;

/** Milliseconds before attempt `attempts` + 1, given how many failed in a row. `chance`: 0 to 1. */
export function backoffMs(attempts: number, chance: number): number {
  const ceiling = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempts, 20));
  return Math.round(ceiling / 2 + (ceiling / 2) * chance);
}
