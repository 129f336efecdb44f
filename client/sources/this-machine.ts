// The finders' ports on the machine this runs on: its file system, and on Windows its registry through reg.exe.
import { copyFile, lstat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import type { Registry } from '../registry/registry.ts';
import { registryOf } from '../registry/this-registry.ts';
import { withScratch } from '../scratch-folder.ts';
import {
  type FindOptions,
  type Found,
  findSources,
  plainUser,
  type SearchedMachine,
} from './find-sources.ts';
import type { LeftOut, SearchedUser } from './finder.ts';
import { nodeFiles } from './node-files.ts';
import { outlookInRegistry } from './outlook-registry.ts';
import { isLocalSystem, thisWindowsUser } from './windows-users.ts';

export interface ThisMachine {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

export interface FindHereOptions extends FindOptions {
  /** A folder for exports that is cleared after a crash too; otherwise they lie among the system's temporary files. */
  readonly scratch?: string;
}

/** Everything there is to protect on this machine. */
export async function findHere(
  machine: ThisMachine,
  { caches, networkStores = false, searchAll = false, stop, scratch: below }: FindHereOptions,
): Promise<Found> {
  let left: readonly string[] = [];
  const look = (scratch: string) => {
    const searched: SearchedMachine = {
      ...machine,
      files: nodeFiles,
      registry: registryOf(machine.platform, machine.env)?.(scratch) ?? null,
      withHiveCopy: (hive, use) => withHiveCopy(scratch, hive, use),
    };
    return findSources(searched, { caches, networkStores, searchAll, stop });
  };
  const onLeft = (paths: readonly string[]) => {
    left = paths;
  };
  const found = await withScratch(look, { below, onLeft });
  if (left.length === 0) return found;
  const stayed: LeftOut = {
    path: below ?? tmpdir(),
    why: 'unreadable',
    text: 'what was read of the registry lies there, a secret, and can not be removed for now',
  };
  return { ...found, leftOut: [...found.leftOut, stayed] };
}

export interface UserHere {
  readonly registry: Registry | null;
  readonly user: SearchedUser;
  /** The name of the signature folder. */
  readonly signatures: string;
}

/**
 * Who runs this, whose folders a restore goes to. Failure `target_refused` where that is LocalSystem, which has no mail, and it is to
 * go `toOwnPlaces`.
 */
export async function userHere(
  machine: ThisMachine,
  { scratch, toOwnPlaces }: { scratch: string; toOwnPlaces: boolean },
): Promise<UserHere> {
  const registry = registryOf(machine.platform, machine.env)?.(scratch) ?? null;
  if (!registry) return { registry, user: plainUser(machine), signatures: 'Signatures' };
  if (isLocalSystem(machine)) {
    if (!toOwnPlaces) return { registry, user: plainUser(machine), signatures: 'Signatures' };
    throw new Failure(
      'target_refused',
      'LocalSystem has no mail: run the restore as the user it is for, or name a folder with --to.',
    );
  }
  const user = await thisWindowsUser({ ...machine, files: nodeFiles, registry });
  const outlook = await outlookInRegistry({ registry, user });
  return { registry, user, signatures: outlook.signatureFolders.at(-1) ?? 'Signatures' };
}

class NotAFile extends Error {
  readonly code = 'it is no file';
}

/** Windows keeps changes that are not in a hive yet in logs beside it, under the hive's name. */
const HIVE_LOGS = ['.LOG1', '.LOG2'];

/** Failure `registry_failed` where it can't be copied, or not be removed; never in place of one of `use`. */
async function withHiveCopy<T>(scratch: string, hive: string, use: (copy: string) => Promise<T>): Promise<T> {
  const onLeft = () => {
    throw new Failure('registry_failed', `The copy of ${hive} can't be removed.`);
  };
  return withScratch(
    async (folder) => {
      const copy = join(folder, 'NTUSER.DAT');
      // Its user can put anything in its place.
      await lstat(hive)
        .then((what) => (what.isFile() ? copyFile(hive, copy) : Promise.reject(new NotAFile())))
        .catch((cause: NodeJS.ErrnoException) => {
          throw new Failure('registry_failed', `${hive} can't be copied (${cause.code}).`, { cause });
        });
      for (const log of HIVE_LOGS) {
        await copyFile(hive + log, copy + log).catch(() => {});
      }
      return use(copy);
    },
    { below: scratch, onLeft },
  );
}
