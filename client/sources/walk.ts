// Walks folders: yields the files that are wanted, follows links that may be followed, and reports whatever it did not look into.
import type { Entry, FileView, Followed } from './file-view.ts';
import { isLockLink, mayFollow } from './follow-rule.ts';
import { NO_TEXT, pathFault } from './path-fault.ts';

export interface Skipped {
  readonly path: string;
  /**
   * missing: there is nothing at this path (any more). unreadable: it could not be looked into, or only in part.
   * too-deep: the depth limit. link: a link that leads nowhere, or to what is somebody else's. name: no version can have its path.
   * no-file: it is named like what is wanted, and is no regular file.
   */
  readonly why: 'missing' | 'unreadable' | 'too-deep' | 'link' | 'name' | 'no-file';
  /** The system's error code (EACCES ...) where there was an error. */
  readonly code: string | null;
  /** More than `why` says, in words. */
  readonly more?: string;
}

/** Why a walk did not look into something, in words. */
export function skippedText({ why, code, more }: Skipped): string {
  if (why === 'link') return more ?? 'a link; what it points to was not looked for';
  if (why === 'name') return `it could not be taken because ${more}`;
  if (why === 'no-file') return `it is ${more}, and not a regular file`;
  if (why === 'too-deep') return 'too deep below the folder that was searched';
  if (code === 'ETIMEDOUT') return "it can't be looked into (it does not answer)";
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
 * The wanted files below a folder, or the root itself where it is a file, wanted or not. A root that is a link is followed. Below it a
 * link is followed where follow-rule.ts allows it; what lies behind it has the path that it really has, so that it is one file however
 * many links lead to it, and no folder is walked twice. Throws nothing of its own. A folder's files come in the order of their names,
 * before those of its sub-folders.
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
  const { owner = null } = what;
  if (what.kind === 'file') yield* kept([root], onSkipped);
  if (what.kind === 'other') onSkipped(noFile(root, what.word));
  if (what.kind !== 'folder') return;

  const walked = new Set<string>();
  let realRoot: string | null = null;
  const waiting = [{ folder: root, depth: 0 }];
  const enter = (folder: string, depth: number) => {
    if (depth <= maxDepth) waiting.push({ folder, depth });
    else onSkipped({ path: folder, why: 'too-deep', code: null });
  };
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { folder, depth } = next;
    if (!isNew(walked, await idOf(folder, options))) continue;
    const { found, links, folders, skipped, failure } = await list(folder, options);
    const behind: string[] = [];
    for (const link of links) {
      realRoot ??= (await files.follow(root).catch(() => null))?.real ?? root;
      const led = await lead(link, { options, root: realRoot, owner });
      if (led === null) continue;
      if ('why' in led) onSkipped(led);
      else if (led.kind === 'file') found.push(led.real);
      else behind.push(led.real);
    }
    for (const one of skipped) onSkipped(one);
    if (failure !== null) onSkipped(failure);
    yield* kept(found, onSkipped);
    // The walk takes the last first.
    for (const inner of [...folders, ...behind].reverse()) enter(inner, depth + 1);
  }
}

/** Those of the files whose path a version can have; the others are reported. */
function* kept(found: readonly string[], onSkipped: (skipped: Skipped) => void): Generator<string> {
  for (const path of found) {
    const more = pathFault(path);
    if (more === null) yield path;
    else onSkipped({ path, why: 'name', code: null, more });
  }
}

/** What tells a folder apart from all others, by whatever path; its path where nothing else does. */
async function idOf(folder: string, { files }: WalkOptions): Promise<string> {
  return (await files.look(folder).catch(() => null))?.id ?? folder;
}

function isNew(walked: Set<string>, id: string): boolean {
  if (walked.has(id)) return false;
  walked.add(id);
  return true;
}

interface Listing {
  readonly found: string[];
  readonly links: string[];
  readonly folders: string[];
  readonly skipped: Skipped[];
  failure: Skipped | null;
}

/** Keeps only what the walk needs, so that a folder of a million messages costs no memory. */
async function list(folder: string, options: WalkOptions): Promise<Listing> {
  const { files } = options;
  const listing: Listing = { found: [], links: [], folders: [], skipped: [], failure: null };
  try {
    for await (const entry of files.list(folder))
      sort(entry, files.path.join(folder, entry.name), listing, options);
  } catch (error) {
    listing.failure = skippedFor(folder, error);
  }
  for (const paths of [listing.found, listing.links, listing.folders]) paths.sort();
  return listing;
}

function sort(entry: Entry, full: string, listing: Listing, options: WalkOptions): void {
  const { name, kind, isNoName, code = null } = entry;
  const { wanted, ignored = () => false } = options;
  const maybeFolder = kind === 'folder' || kind === 'link' || kind === 'unknown';
  if (maybeFolder && ignored(full)) return;
  if (isNoName) {
    if (maybeFolder || wanted(name, full))
      listing.skipped.push({ path: full, why: 'name', code: null, more: NO_TEXT });
  } else if (kind === 'folder') listing.folders.push(full);
  else if (kind === 'link') listing.links.push(full);
  else if (kind === 'unknown') listing.skipped.push({ path: full, why: 'unreadable', code });
  else if (wanted(name, full)) {
    if (kind === 'file') listing.found.push(full);
    else listing.skipped.push(noFile(full, undefined));
  }
}

interface From {
  readonly options: WalkOptions;
  /** Of the walk, without links. */
  readonly root: string;
  /** Of the root. */
  readonly owner: number | null;
}

/**
 * Where a link leads: a file that is wanted or a folder; what of it is to be reported; null where there is nothing to do, as it leads to
 * where the walk comes by itself, or to what is not looked for.
 */
async function lead(
  link: string,
  { options, root, owner }: From,
): Promise<{ kind: 'file' | 'folder'; real: string } | Skipped | null> {
  const { files, wanted, ignored = () => false } = options;
  const { sep, basename } = files.path;
  let to: Followed | null;
  try {
    to = await files.follow(link);
  } catch (error) {
    return unfollowed(link, error, basename(link));
  }
  if (to === null) return null;
  const { real, kind } = to;
  const isWanted = () => wanted(basename(link), link) || wanted(basename(real), real);
  const isInside = real === root || real.startsWith(root.endsWith(sep) ? root : root + sep);
  if (isInside || (kind === 'folder' ? ignored(real) : !isWanted())) return null;
  if (kind !== 'file' && kind !== 'folder') return noFile(link, to.word);
  const why = mayFollow(to, { root, owner, sep });
  return why === null ? { kind, real } : { path: link, why: 'link', code: null, more: why };
}

function unfollowed(link: string, error: unknown, name: string): Skipped | null {
  const { code, path } = skippedFor(link, error);
  const { target } = error as { target?: string };
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    if (isLockLink(name, target)) return null;
    return { path, why: 'link', code, more: `a link that leads to nothing${target ? ` (${target})` : ''}` };
  }
  if (code === 'ELOOP') return { path, why: 'link', code, more: 'a link that leads back to itself' };
  return { path, why: 'unreadable', code };
}

function noFile(path: string, word = 'a FIFO, a socket or a device'): Skipped {
  return { path, why: 'no-file', code: null, more: word };
}

function skippedFor(where: string, error: unknown): Skipped {
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
  return { path: where, why: code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'unreadable', code };
}
