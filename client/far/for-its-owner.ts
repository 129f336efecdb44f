/*
 * Reading as root what users name and own. A user's link must not have root read for them what they can't read, and the backup is theirs
 * to restore. Node has no way to take on a user's rights for one call (setfsuid), so that the owner decides:
 *
 *   a link that root made, where no other user could         leads anywhere
 *   another link                                              leads to what its owner owns
 *   a file with several names in the folder of another user   is read where it is that user's, or root's own folder
 *
 * The walk holds each folder, so that what was judged is what is opened (held-path.ts). LocalSystem is told no owner by Node: there the
 * place decides, and nothing is asked of another machine, which it would log on to.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, win32 } from 'node:path';
import { walkAbove } from '../held-path.ts';
import { mayFollow } from '../sources/follow-rule.ts';

/** Whether this process reads for users as root, with rights that they have not. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** Whether a home is the one of LocalSystem, a service's: it holds nobody's mail, and who has it reads for all users. */
export function isSystemProfile(home: string): boolean {
  return /\\config\\systemprofile\\?$/i.test(home);
}

/** Whether this process reads for users as LocalSystem. */
export function isSystem(): boolean {
  return process.platform === 'win32' && isSystemProfile(process.env.USERPROFILE ?? homedir());
}

/** The error code of what another user's link or second name led to, and of what is not asked for a user. */
export const OF_ANOTHER = 'EOTHERUSER';

function ofAnother(what: string): Error {
  return Object.assign(new Error(what), { code: OF_ANOTHER });
}

interface Way {
  readonly folder: { readonly uid: number };
  /** Of links that others than root made. */
  readonly linkOwners: readonly number[];
}

function assertOwned({ uid, nlink }: { uid: number; nlink: number }, { folder, linkOwners }: Way): void {
  const isSecondName = nlink > 1 && folder.uid !== 0 && folder.uid !== uid;
  if (!isSecondName && linkOwners.every((owner) => owner === uid)) return;
  const what = isSecondName ? 'a second name of a file' : 'a link to a file';
  throw ofAnother(`${what} that belongs to another user`);
}

/** The walk to `path`, and who owns the links on it that others than root made. The caller closes the step. */
async function wayTo(path: string) {
  const linkOwners: number[] = [];
  return { linkOwners, ...(await walkAbove(path, { onDoubtful: ({ owner }) => linkOwners.push(owner) })) };
}

/**
 * Opens what is called `path` by `flags` without waiting, after `check` had a look at it and before any byte is read. Throws the
 * system's error, that of `check`, or one of code OF_ANOTHER.
 */
export async function openForItsOwner(
  path: string,
  flags: number,
  check: (what: Awaited<ReturnType<typeof lstat>>) => void,
): Promise<FileHandle> {
  const { step, name, linkOwners } = await wayTo(path);
  try {
    const at = join(step.here, name);
    check(await lstat(at));
    const file = await open(at, flags | constants.O_NOFOLLOW);
    try {
      const what = await file.stat();
      check(what);
      assertOwned(what, { folder: step, linkOwners });
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  } finally {
    await step.close();
  }
}

/**
 * That `path` leads to `real` by links that may be followed for its owner: what is called `real` is read elsewhere next, in a snapshot.
 * Throws an error of code OF_ANOTHER, ESTALE where it leads elsewhere by now, or the system's.
 */
export async function assertForItsOwner(path: string, real: string): Promise<void> {
  const { step, name, linkOwners } = await wayTo(path);
  try {
    if (join(step.real, name) !== real)
      throw Object.assign(new Error('elsewhere than a moment ago'), { code: 'ESTALE' });
    assertOwned(await lstat(join(step.here, name)), { folder: step, linkOwners });
  } finally {
    await step.close();
  }
}

/** A disk of this machine by its letter, or a snapshot of one (the root of its device); what is below is a path of folders. */
const LOCAL_ROOT = /^(?:\\\\[?.]\\)?(?:[a-z]:|GLOBALROOT\\Device\\HarddiskVolumeShadowCopy\d+)\\/i;

/** That LocalSystem may ask for `path`. Throws an error of code OF_ANOTHER. */
export function assertLocal(path: string): void {
  if (!LOCAL_ROOT.test(path.replaceAll('/', '\\')))
    throw ofAnother('on another machine, which LocalSystem does not ask');
}

/** What is looked at of links; Windows' own unless a test has another. */
export interface Links {
  readonly isLink: (path: string) => Promise<boolean>;
  readonly realPath: (path: string) => Promise<string>;
}

/**
 * That no link on the way to `path` leads LocalSystem to what is another user's or Windows' own. In a snapshot there is none: its path was
 * found without links, and one in it would lead to the live volume. Throws an error of code OF_ANOTHER, or the system's.
 */
export async function assertForSystem(path: string, { isLink, realPath }: Links): Promise<void> {
  assertLocal(path);
  const root = LOCAL_ROOT.exec(path)?.[0].length ?? 0;
  let hasLink = false;
  for (let at = path; at.length > root && !hasLink; at = win32.dirname(at)) hasLink = await isLink(at);
  if (!hasLink) return;
  if (!/^[a-z]:/i.test(path)) throw ofAnother('behind a link that was put there meanwhile');
  const real = await realPath(path);
  const why = mayFollow({ real, kind: 'file', size: 0 }, { root: path, owner: null, sep: '\\' });
  if (why !== null) throw ofAnother(`behind ${why}`);
}
