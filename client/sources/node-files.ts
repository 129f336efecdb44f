// The file system of this machine as the finders see it.
import { lstat, opendir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Entry, FileView } from './file-view.ts';

interface Kinds {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

function kindOf(what: Kinds): Entry['kind'] {
  if (what.isFile()) return 'file';
  if (what.isDirectory()) return 'folder';
  return what.isSymbolicLink() ? 'link' : 'other';
}

async function orNull<T>(looking: Promise<T>): Promise<T | null> {
  try {
    return await looking;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

export const nodeFiles: FileView = {
  path,
  async look(place) {
    const what = await stat(place);
    return { kind: kindOf(what), size: what.size };
  },
  async *list(folder) {
    for await (const entry of await opendir(folder)) {
      let kind = kindOf(entry);
      // A listing on Windows shows every reparse point as a link, files and folders that OneDrive keeps too.
      if (kind === 'link') kind = kindOf((await orNull(lstat(path.join(folder, entry.name)))) ?? entry);
      yield { name: entry.name, kind };
    }
  },
  async readText(place, most) {
    const what = await orNull(stat(place));
    if (!what?.isFile() || what.size > most) return null;
    return orNull(readFile(place, 'utf8'));
  },
};
