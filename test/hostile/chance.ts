// Chance for one hostile thing: everything about number `index` of a run follows from the seed, so it can be made again alone.
import { createHash } from 'node:crypto';
import { randomBytes, seededRandom } from '../support/random.ts';

export interface Chance {
  /** From 0 to below `n`. */
  int(n: number): number;
  pick<T>(of: readonly T[]): T;
  bytes(length: number): Buffer;
  hex(digits: number): string;
}

export function chanceOf(seed: string, what: string, index: number): Chance {
  const digest = createHash('sha256').update(`${seed}/${what}/${index}`).digest();
  const random = seededRandom(digest.readInt32LE(0));
  const int = (n: number): number => Math.floor(random() * n);
  return {
    int,
    pick: (of) => of[int(of.length)]!,
    bytes: (length) => randomBytes(random, length),
    hex: (digits) =>
      randomBytes(random, Math.ceil(digits / 2))
        .toString('hex')
        .slice(0, digits),
  };
}
