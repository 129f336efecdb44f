// A folder for a moment, for what nobody else may see.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Hands a folder that only its owner can look into to `use`, and removes it in every case: exports in it hold secrets. */
export async function withScratch<T>(use: (folder: string) => Promise<T>, below = tmpdir()): Promise<T> {
  const folder = await mkdtemp(join(below, 'mailferry-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
