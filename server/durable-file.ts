// Files that survive a power cut: written under a temporary name, fsynced, renamed, and their directory fsynced.
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf } from './disk-failure.ts';

/** Makes the names in a directory durable. Windows has no such call and needs none: NTFS journals its names. */
export async function syncDirectory(path: string): Promise<void> {
  let directory: Awaited<ReturnType<typeof open>>;
  try {
    directory = await open(path, 'r');
  } catch (error) {
    if (codeOf(error) === 'EPERM' || codeOf(error) === 'EISDIR') return;
    throw error;
  }
  try {
    await directory.sync();
  } catch (error) {
    if (codeOf(error) !== 'EPERM') throw error;
  } finally {
    await directory.close();
  }
}

/**
 * Makes sure that `path` exists below `root` (which may itself be missing) and that the names on the way are durable:
 * also those of a run before this one, which may have been killed between making a directory and syncing its parent.
 */
export async function makeDirectory(root: string, path = root): Promise<void> {
  await makeMissing(path);
  for (let made = path; ; made = dirname(made)) {
    await syncDirectory(dirname(made));
    if (made === root || made === dirname(made)) return;
  }
}

/** As Node's recursive mkdir, but that one never ends below /proc (Node 20). */
async function makeMissing(path: string): Promise<void> {
  const make = () =>
    mkdir(path, { mode: 0o700 }).catch(async (error: unknown) => {
      const isThere = await stat(path).then(
        (what) => what.isDirectory(),
        () => false,
      );
      if (!isThere) throw error;
    });
  try {
    await make();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeMissing(dirname(path));
    await make();
  }
}

/**
 * Puts `bytes` at `directory/name`, whole or not at all, and durable on return. An older file of the name is replaced.
 * A crash leaves at most `name.tmp`.
 */
export async function writeDurably(
  directory: string,
  name: string,
  bytes: Uint8Array,
  mode = 0o600,
): Promise<void> {
  const temporary = join(directory, `${name}.tmp`);
  const file = await open(temporary, 'w', mode);
  try {
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    // A full disk is not filled further by halves.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await rename(temporary, join(directory, name));
  await syncDirectory(directory);
}
