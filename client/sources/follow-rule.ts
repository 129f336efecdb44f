// Whether a link in somebody's folders may be followed. Mail behind a link is mail like any other; but a link must not make this
// program, which may be root or LocalSystem, read for one user what belongs to another.
import type { Followed } from './file-view.ts';

export interface Walked {
  /** Root of the walk, without links. */
  readonly root: string;
  /** The number of the root's owner; null where there is none. */
  readonly owner: number | null;
  readonly sep: string;
  /** The number of the user who runs this; this process's own unless given. */
  readonly self?: number;
}

/** Why a link is not followed, in words; null: it is. */
export function mayFollow(to: Followed, walked: Walked): string | null {
  return walked.sep === '\\' ? onWindows(to.real, walked.root) : byOwner(to, walked);
}

/**
 * What is behind it has to be the home's owner's, root's or of who runs this. A link that root or this user made may lead to any of
 * these; anybody else's only to what is theirs: otherwise a user's link would reach what only root can read.
 */
function byOwner({ owner: behind, linkOwner }: Followed, { owner, self = process.getuid?.() ?? 0 }: Walked) {
  const trusted = [0, self];
  const known = behind === owner || trusted.includes(behind ?? -1);
  const honest = trusted.includes(linkOwner ?? -1) || behind === linkOwner;
  return known && honest ? null : "a link that leads to another user's files";
}

/** A home of Windows, as the folder of users and the name. */
const HOME = /^([a-z]:\\(?:users|documents and settings))\\([^\\]+)/i;
/** Homes that are nobody's. */
const SHARED = /^(public|all users)$/i;

/** Windows tells Node no owner, so that the place decides: no other user's home, not the system's own folder, no other machine. */
function onWindows(real: string, root: string): string | null {
  const place = real.replace(/^\\\\\?\\(?=[a-z]:)/i, '');
  if (/^\\\\/.test(place)) return 'a link that leads to another machine';
  if (/^[a-z]:\\windows(\\|$)/i.test(place)) return 'a link that leads into the folder of Windows';
  const theirs = HOME.exec(place)?.[2];
  const own = HOME.exec(root)?.[2];
  const isOther = theirs !== undefined && !SHARED.test(theirs) && theirs.toLowerCase() !== own?.toLowerCase();
  return isOther ? "a link that leads to another user's files" : null;
}

/** Names that programs give to links that are locks. */
const LOCKS: ReadonlySet<string> = new Set(['lock', 'singletonlock', 'singletoncookie', 'singletonsocket']);

/**
 * Whether a link that leads to nothing is a lock: programs note host and process in the text of a link (Firefox and Thunderbird
 * `lock` -> `127.0.1.1:+4711`, Chromium `SingletonLock` -> `host-4711`, Emacs `.#file` -> `user@host.4711`).
 */
export function isLockLink(name: string, target: string | undefined): boolean {
  const isNote = target !== undefined && !target.includes('/') && /\d$/.test(target);
  return (
    (LOCKS.has(name.toLowerCase()) && (isNote || /^singletonsocket$/i.test(name))) ||
    (name.startsWith('.#') && isNote)
  );
}
