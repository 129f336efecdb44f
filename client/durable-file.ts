// Files that are whole or not there: written beside, synced, renamed, and the directory synced.
import { lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { platform } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { patiently } from './patiently.ts';

/**
 * Makes a directory's entries durable. Windows can't sync directories (EPERM, EISDIR or EACCES on opening one) and journals
 * them itself, so those are no failures.
 */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (platform() !== 'win32' || !['EPERM', 'EISDIR', 'EACCES'].includes(code)) throw error;
  }
}

/** Makes a file's content durable. One that is read-only can't be opened for that on Windows, and is left to the system. */
export async function syncFile(path: string): Promise<void> {
  try {
    const file = await open(path, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!['EPERM', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/**
 * Makes a directory and what is missing above it, from the top down, each durable in its parent before there is anything in it. So is
 * one that is there already: a process that made it may have died before it could see to that.
 */
export async function makeDirectory(given: string): Promise<void> {
  const path = resolve(given);
  const parent = dirname(path);
  const isThere = await isDirectory(path);
  if (!isThere) {
    if (parent !== path) await makeDirectory(parent);
    // Not Node's recursive one, which never ends below /proc (Node 20 to 24).
    await mkdir(path, { mode: 0o700 }).catch(async (error: NodeJS.ErrnoException) => {
      // No failure where another was quicker.
      if (error.code !== 'EEXIST' || !(await isDirectory(path))) throw error;
    });
  }
  await syncDirectory(parent).catch((error: NodeJS.ErrnoException) => {
    // Where this user may not even look, or the file system knows no such thing (autofs), others made what is there.
    if (!isThere || !['EACCES', 'EPERM', 'EINVAL', 'ENOTSUP', 'ENOSYS', 'EROFS'].includes(error.code ?? ''))
      throw error;
  });
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return false;
  }
}

/** Writes a small file whole: after a crash it has the old content or the new. Readable by its owner only. */
export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const beside = `${path}.new`;
  // Not written over: what lies there may be readable by others.
  await patiently(() => rm(beside, { force: true }));
  const file = await open(beside, 'wx', 0o600);
  try {
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    // A full disk is not filled further by halves.
    await rm(beside, { force: true }).catch(() => {});
    throw error;
  }
  await patiently(() => rename(beside, path));
  await syncDirectory(dirname(path));
}

/** Removes a file or a folder with all in it; that it is not there is no failure. */
export async function removeDurably(path: string): Promise<void> {
  await patiently(() => rm(path, { recursive: true, force: true }));
  await syncDirectory(dirname(path)).catch(() => {});
}

/**
 * Removes a file or a folder and as much of what is in it as can be; the paths that stay, such as a file that Windows holds. For
 * secrets: one that can't be removed keeps no other. Never rejects.
 */
export async function removeAllThatCanBe(path: string): Promise<readonly string[]> {
  const isGone = () =>
    patiently(() => rm(path, { recursive: true, force: true })).then(
      () => true,
      () => false,
    );
  // Of a whole folder it gives up at the first that stays.
  if (await isGone()) return [];
  const left: string[] = [];
  // Nothing that a link leads to is ours.
  const isFolder = await lstat(path).then(
    (what) => what.isDirectory(),
    () => false,
  );
  const within = isFolder ? await readdir(path).catch(() => []) : [];
  for (const name of within) left.push(...(await removeAllThatCanBe(join(path, name))));
  return left.length > 0 || (await isGone()) ? left : [path];
}
