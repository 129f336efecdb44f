// The finders' ports on the machine this runs on: its file system, and on Windows its registry through reg.exe.
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { regExe } from '../registry/reg-exe.ts';
import type { Registry } from '../registry.ts';
import { type Found, findSources, type SearchedMachine } from './find-sources.ts';
import { nodeFiles } from './node-files.ts';

export interface ThisMachine {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** Its registry; null where it has none. `scratch`: an existing folder that only its owner can look into. */
export function registryOf({ platform, env }: ThisMachine, scratch: string): Registry | null {
  if (platform !== 'win32') return null;
  return regExe({ command: [join(env.SystemRoot ?? 'C:\\Windows', 'System32', 'reg.exe')], scratch });
}

/** Hands a folder that only its owner can look into to `use`, and removes it in every case: exports in it hold secrets. */
export async function withScratch<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'mailferry-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Everything there is to protect on this machine. */
export async function findHere(machine: ThisMachine, options: { caches: boolean }): Promise<Found> {
  return withScratch(async (scratch) => {
    const searched: SearchedMachine = {
      ...machine,
      files: nodeFiles,
      registry: registryOf(machine, scratch),
      withHiveCopy: (hive, use) => withHiveCopy(scratch, hive, use),
    };
    return findSources(searched, options);
  });
}

/** Windows keeps changes that are not in a hive yet in logs beside it, under the hive's name. */
const HIVE_LOGS = ['.LOG1', '.LOG2'];

async function withHiveCopy<T>(scratch: string, hive: string, use: (copy: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(scratch, 'hive-'));
  try {
    const copy = join(folder, 'NTUSER.DAT');
    await copyFile(hive, copy);
    for (const log of HIVE_LOGS) {
      await copyFile(join(dirname(hive), `ntuser.dat${log}`), copy + log).catch(() => {});
    }
    return await use(copy);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
