// Walks folders: yields the files that are wanted, follows no link, and reports whatever it did not look into.
import type { FileView } from './file-view.ts';

export interface Skipped {
  readonly path: string;
  /**
   * missing: there is nothing at this path (any more). unreadable: it could not be looked into, or only in part.
   * too-deep: the depth limit. link: a link that is named like what is wanted; what it points to was not looked for.
   */
  readonly why: 'missing' | 'unreadable' | 'too-deep' | 'link';
  /** The system's error code (EACCES ...) where there was an error. */
  readonly code: string | null;
}

/** Why a walk did not look into something, in words. */
export function skippedText({ why, code }: Skipped): string {
  if (why === 'link') return 'a link; what it points to was not looked for';
  if (why === 'too-deep') return 'too deep below the folder that was searched';
  return why === 'missing' ? 'not there' : `it can't be looked into (${code})`;
}

export interface WalkOptions {
  readonly files: FileView;
  /** Whether a file is wanted, by its name and its whole path. */
  readonly wanted: (name: string, path: string) => boolean;
  /** Whether a folder is not entered. Such folders are not reported. */
  readonly ignored?: (path: string) => boolean;
  /** How many folders below the root are entered; 0 is the root's own files. */
  readonly maxDepth?: number;
  /** Called at once for each path that was not looked into, in the order of the walk. */
  readonly onSkipped?: (skipped: Skipped) => void;
}

/** Deeper than people file their mail; it ends a walk into a mount that shows itself inside itself. */
export const MAX_DEPTH = 32;

/**
 * The wanted files below a folder, or the root itself where it is a file, wanted or not. A root that is a link is followed.
 * Throws nothing of its own. A folder's files come in the order of their names, before those of its sub-folders.
 */
export async function* walk(root: string, options: WalkOptions): AsyncGenerator<string> {
  const { files, maxDepth = MAX_DEPTH, onSkipped = () => {} } = options;
  let what: Awaited<ReturnType<FileView['look']>>;
  try {
    what = await files.look(root);
  } catch (error) {
    onSkipped(skippedFor(root, error));
    return;
  }
  if (what.kind === 'file') yield root;
  if (what.kind !== 'folder') return;

  const waiting = [{ folder: root, depth: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { folder, depth } = next;
    const { found, links, folders, failure } = await list(folder, options);
    for (const link of links) onSkipped({ path: link, why: 'link', code: null });
    if (failure !== null) onSkipped(failure);
    yield* found;
    for (const inner of folders) {
      if (depth < maxDepth) waiting.push({ folder: inner, depth: depth + 1 });
      else onSkipped({ path: inner, why: 'too-deep', code: null });
    }
  }
}

interface Listing {
  readonly found: string[];
  readonly links: string[];
  readonly folders: string[];
  failure: Skipped | null;
}

/** Keeps only what the walk needs, so that a folder of a million messages costs no memory. */
async function list(folder: string, { files, wanted, ignored = () => false }: WalkOptions): Promise<Listing> {
  const listing: Listing = { found: [], links: [], folders: [], failure: null };
  try {
    for await (const { name, kind } of files.list(folder)) {
      const full = files.path.join(folder, name);
      if (kind === 'folder') {
        if (!ignored(full)) listing.folders.push(full);
      } else if (wanted(name, full)) {
        if (kind === 'file') listing.found.push(full);
        else if (kind === 'link') listing.links.push(full);
      }
    }
  } catch (error) {
    listing.failure = skippedFor(folder, error);
  }
  listing.found.sort();
  // The walk takes the last first.
  listing.folders.sort().reverse();
  return listing;
}

function skippedFor(where: string, error: unknown): Skipped {
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
  return { path: where, why: code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'unreadable', code };
}
