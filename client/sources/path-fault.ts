// Paths that no version can have: the server refuses them, so the device says so before it reads a byte.
import { pathMistake } from '../../shared/stored-path.ts';

/** Whether half a surrogate pair stands alone in it: that is no character, and has no UTF-8. */
export function hasHalfPair(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

/** Why a path can't be taken, to be put behind "it could not be taken because"; null: it can. */
export function pathFault(path: string): string | null {
  if (hasHalfPair(path)) return NO_TEXT;
  const mistake = pathMistake(path);
  return mistake === null ? null : `its path ${mistake}; rename it`;
}

/** What is said of a name that is no text. */
export const NO_TEXT = 'its name is not valid UTF-8; rename it';
