// A folder for a moment, for what nobody else may see.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../shared/failure.ts';
import { removeAllThatCanBe } from './durable-file.ts';

export interface ScratchOptions {
  /** Where it is made; otherwise among the system's temporary files. */
  readonly below?: string | undefined;
  /** Called where something in it can't be removed; otherwise that is a failure `state_unusable`. */
  readonly onLeft?: (paths: readonly string[]) => void;
}

/**
 * Hands a folder that only its owner can look into to `use`, and removes it in every case: exports in it hold secrets. What can't be
 * removed never takes the place of a failure of `use`.
 */
export async function withScratch<T>(
  use: (folder: string) => Promise<T>,
  { below = tmpdir(), onLeft = refuse }: ScratchOptions = {},
): Promise<T> {
  const folder = await mkdtemp(join(below, 'mailferry-'));
  let result: T;
  try {
    result = await use(folder);
  } catch (error) {
    await removeAllThatCanBe(folder);
    throw error;
  }
  const left = await removeAllThatCanBe(folder);
  if (left.length > 0) onLeft(left);
  return result;
}

function refuse([first]: readonly string[]): never {
  throw new Failure('state_unusable', `${first} may hold secrets and can't be removed: remove it.`);
}
