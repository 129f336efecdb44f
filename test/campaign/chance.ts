// Chance for the campaign: every number of a run follows from the seed, the fault and the number of the run.
import { createHash } from 'node:crypto';
import { seededRandom } from '../support/random.ts';

export type Random = () => number;

/** The chance of one run. */
export function randomOf(seed: string, ...names: readonly (string | number)[]): Random {
  const digest = createHash('sha256')
    .update([seed, ...names].join('/'))
    .digest();
  return seededRandom(digest.readInt32LE(0));
}

/** A whole number from `least` to `most`, both included. */
export function between(random: Random, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}
