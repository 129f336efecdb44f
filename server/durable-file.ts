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

/** What a system says of a folder that others made: that this user may not even look, or that the file system knows no such thing. */
const NOT_OURS_TO_SYNC = new Set(['EACCES', 'EPERM', 'EINVAL', 'ENOTSUP', 'ENOSYS', 'EROFS']);

/**
 * Makes `path` below `root` (which may itself be missing) and what is missing above, from the top down, and the names on the way
 * durable: also those of a run before this one, which may have been killed between making a directory and syncing its parent.
 */
export async function makeDirectory(root: string, path = root): Promise<void> {
  const parent = dirname(path);
  const isThere = await isDirectory(path);
  if (path !== root) await makeDirectory(root, parent);
  else if (!isThere && parent !== path) await makeDirectory(parent);
  // Not Node's recursive mkdir, which never ends below /proc (Node 20 to 24).
  if (!isThere) {
    await mkdir(path, { mode: 0o700 }).catch(async (error: unknown) => {
      // No failure where another was quicker.
      if (codeOf(error) !== 'EEXIST' || !(await isDirectory(path))) throw error;
    });
  }
  await syncDirectory(parent).catch((error: unknown) => {
    if (!isThere || !NOT_OURS_TO_SYNC.has(codeOf(error))) throw error;
  });
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return false;
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
