// Finds the mail stores on this machine: yields each once, follows no link, and reports whatever it did not look into.
import type { Stats } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import path from 'node:path';

/** How a source is read and named; `file` is anything that is no mail store. */
export type SourceKind = 'pst' | 'ost' | 'nk2' | 'file';

export interface FoundStore {
  /** Absolute, in the form of the machine it was found on. */
  readonly path: string;
  readonly kind: SourceKind;
}

export interface Skipped {
  readonly path: string;
  /**
   * missing: there is nothing at this path (any more). unreadable: it could not be looked into, or only in part.
   * too-deep: the depth limit. link: a link that is named like a store; what it points to was not looked for.
   */
  readonly why: 'missing' | 'unreadable' | 'too-deep' | 'link';
  /** The system's error code (EACCES ...) where there was an error. */
  readonly code: string | null;
}

export interface FindOptions {
  /** Called at once for each path that was not looked into, in the order of the walk. Ignored folders are not reported. */
  readonly onSkipped?: (skipped: Skipped) => void;
  /** How many folders below a root are entered; 0 is the root's own files. */
  readonly maxDepth?: number;
}

/** Deeper than people file their mail; it ends a walk into a mount that shows itself inside itself. */
const MAX_DEPTH = 32;

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
 * Walks the roots and yields every *.pst, *.ost and *.nk2 (in any case). A root that is a file is yielded whatever its
 * kind. Roots are taken at their word: one that is a link is followed, one in an ignored folder is walked.
 *
 * Throws nothing of its own; what could not be read goes to `onSkipped` and the walk goes on. A folder's stores come
 * in the order of their names, before those of its sub-folders.
 */
export async function* findStores(
  roots: Iterable<string>,
  options: FindOptions = {},
): AsyncGenerator<FoundStore> {
  const { onSkipped = () => {}, maxDepth = MAX_DEPTH } = options;
  const yielded = new Set<string>();
  for (const given of roots) {
    for await (const store of walk(path.resolve(given), maxDepth, onSkipped)) {
      if (yielded.has(store)) continue;
      yielded.add(store);
      yield { path: store, kind: kindOf(store) };
    }
  }
}

/** The kind of source a path names, by its extension alone, in any case. Takes paths of Windows and POSIX alike. */
export function kindOf(sourcePath: string): SourceKind {
  const extension = /\.(pst|ost|nk2)$/i.exec(sourcePath)?.[1];
  return extension === undefined ? 'file' : (extension.toLowerCase() as SourceKind);
}

/**
 * Where to look when nobody named a path. On Windows the folders that Outlook itself chooses for its stores (up to
 * 2007 the first, since 2010 the second, upgraded profiles both); elsewhere the home folder.
 */
export function defaultRoots(machine: {
  readonly platform: string;
  readonly homedir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}): string[] {
  const { platform, homedir, env } = machine;
  if (platform !== 'win32') return [homedir];
  const { join } = path.win32;
  return [
    join(env.LOCALAPPDATA || join(homedir, 'AppData', 'Local'), 'Microsoft', 'Outlook'),
    join(homedir, 'Documents', 'Outlook Files'),
  ];
}

async function* walk(
  root: string,
  maxDepth: number,
  onSkipped: (skipped: Skipped) => void,
): AsyncGenerator<string> {
  let what: Stats;
  try {
    what = await stat(root);
  } catch (error) {
    onSkipped(skippedFor(root, error));
    return;
  }
  if (what.isFile()) yield root;
  if (!what.isDirectory()) return;

  const waiting = [{ folder: root, depth: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { folder, depth } = next;
    const { stores, links, folders, failure } = await list(folder);
    for (const link of links) onSkipped({ path: link, why: 'link', code: null });
    if (failure !== null) onSkipped(failure);
    yield* stores;
    for (const inner of folders) {
      if (depth < maxDepth) waiting.push({ folder: inner, depth: depth + 1 });
      else onSkipped({ path: inner, why: 'too-deep', code: null });
    }
  }
}

interface Listing {
  readonly stores: string[];
  readonly links: string[];
  readonly folders: string[];
  failure: Skipped | null;
}

/** Keeps only what the walk needs, so that a folder of a million messages costs no memory. */
async function list(folder: string): Promise<Listing> {
  const listing: Listing = { stores: [], links: [], folders: [], failure: null };
  try {
    for await (const entry of await opendir(folder)) {
      const full = path.join(folder, entry.name);
      if (entry.isDirectory()) {
        if (!isIgnored(full)) listing.folders.push(full);
      } else if (kindOf(entry.name) !== 'file') {
        if (entry.isFile()) listing.stores.push(full);
        else if (entry.isSymbolicLink()) listing.links.push(full);
      }
    }
  } catch (error) {
    listing.failure = skippedFor(folder, error);
  }
  listing.stores.sort();
  // The walk takes the last first.
  listing.folders.sort().reverse();
  return listing;
}

function isIgnored(folder: string): boolean {
  const name = path.basename(folder).toLowerCase();
  // Trash as freedesktop.org lays it out: .Trash-1000 on other disks, ~/.local/share/Trash in the home.
  return (
    IGNORED_NAMES.has(name) ||
    name.startsWith('.trash-') ||
    folder.endsWith('/.local/share/Trash') ||
    PSEUDO_FILE_SYSTEMS.has(folder)
  );
}

function skippedFor(where: string, error: unknown): Skipped {
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
  return { path: where, why: code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'unreadable', code };
}
