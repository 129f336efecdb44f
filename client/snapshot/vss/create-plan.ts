// How long to go on asking for a shadow copy: pure, so that every case is a line in a table.
import type { Again } from './return-codes.ts';

/** How long making one may take in all, ms. restic's users found that 120 s is what a slow laptop takes (its issues 3142, 3269). */
export const CREATE_DEADLINE_MS = 120_000;
/** Between two tries while another program makes one: 5 to 10 s, by chance, so that two programs do not keep in step (as kopia). */
const SOON_MS = 5_000;
/** Before the second try after something failed inside Windows. */
const ONCE_MS = 30_000;
/**
 * No try gets less, ms: one that is cut off has made a shadow copy or has not, and nobody knows. More than 10 s are usual (kopia's pull
 * request 3543).
 */
const LEAST_TRY_MS = 30_000;

export interface Tried {
  readonly again: Again;
  /** Tries so far, 1 or more. */
  readonly tries: number;
  /** ms since the first began. */
  readonly elapsed: number;
  /** ms. */
  readonly deadline: number;
  /** 0 to 1. */
  readonly chance: number;
}

/** ms that a try may take which begins `elapsed` ms after the first; never more than `deadline`, however the clock was set. */
export function timeOfTry({ elapsed, deadline }: Pick<Tried, 'elapsed' | 'deadline'>): number {
  return Math.min(deadline, Math.max(LEAST_TRY_MS, deadline - elapsed));
}

/** ms to wait before the next try; null: give up, since the deadline leaves no time for one. */
export function waitBeforeNextTry({ again, tries, elapsed, deadline, chance }: Tried): number | null {
  if (again === 'never' || (again === 'once' && tries > 1)) return null;
  const wait = again === 'soon' ? SOON_MS * (1 + chance) : ONCE_MS;
  return elapsed + wait + LEAST_TRY_MS <= deadline ? wait : null;
}
