// Finds the mail stores on this machine: yields each once, and reports whatever it did not look into.
import path from 'node:path';
import type { SourceKind } from '../../shared/protocol.ts';
import { nodeFiles } from './node-files.ts';
import { type Skipped, walk } from './walk.ts';

export interface FoundStore {
  /** Absolute, in the form of the machine it was found on. */
  readonly path: string;
  readonly kind: SourceKind;
}

export interface FindOptions {
  /** Called at once for each path that was not looked into, in the order of the walk. Ignored folders are not reported. */
  readonly onSkipped?: (skipped: Skipped) => void;
  /** How many folders below a root are entered; 0 is the root's own files. */
  readonly maxDepth?: number;
}

/**
 * Folders nobody keeps mail in, or whose stores are copies of others: programs' parts, caches, trash, snapshots.
 * Short on purpose, as a store that is not looked for is not protected. Lower case.
 */
const IGNORED_NAMES = new Set([
  'node_modules',
  '.git',
  '.hg',
  '.svn',
  '.cache',
  '.npm',
  '.trash',
  '.trashes',
  '$recycle.bin',
  'system volume information',
  'lost+found',
  '.snapshots',
  '.zfs',
]);

/** Not on a disk. /run itself is entered: removable disks are mounted at /run/media. */
const PSEUDO_FILE_SYSTEMS = new Set(['/proc', '/sys', '/dev', '/run/user']);

/**
 * Walks the roots and yields every *.pst, *.ost, *.nk2 and *.nick (in any case). A root that is a file is yielded whatever its
 * kind. Roots are taken at their word: one that is a link is followed, one in an ignored folder is walked.
 *
 * Throws nothing of its own; what could not be read goes to `onSkipped` and the walk goes on. A folder's stores come
 * in the order of their names, before those of its sub-folders.
 */
export async function* findStores(
  roots: Iterable<string>,
  options: FindOptions = {},
): AsyncGenerator<FoundStore> {
  const yielded = new Set<string>();
  for (const given of roots) {
    const walked = walk(path.resolve(given), {
      ...options,
      files: nodeFiles,
      wanted: (name) => kindOf(name) !== 'file',
      ignored: isIgnored,
    });
    for await (const store of walked) {
      if (yielded.has(store)) continue;
      yielded.add(store);
      yield { path: store, kind: kindOf(store) };
    }
  }
}

/** The kind of source a path names, by its extension alone, in any case. Takes paths of Windows and POSIX alike. */
export function kindOf(sourcePath: string): SourceKind {
  const extension = /\.(pst|ost|nk2|nick)$/i.exec(sourcePath)?.[1]?.toLowerCase();
  if (extension === undefined) return 'file';
  return extension === 'nick' ? 'nk2' : (extension as SourceKind);
}

/** Whether nobody keeps mail in this folder. Takes paths of Windows and POSIX alike. */
export function isIgnored(folder: string): boolean {
  const name = path.win32.basename(folder).toLowerCase();
  // Trash as freedesktop.org lays it out: .Trash-1000 on other disks, ~/.local/share/Trash in the home.
  return (
    IGNORED_NAMES.has(name) ||
    name.startsWith('.trash-') ||
    folder.endsWith('/.local/share/Trash') ||
    PSEUDO_FILE_SYSTEMS.has(folder)
  );
}
