/*
 * The folder that a restore writes into, held so that nobody leads it elsewhere meanwhile. Who restores may be root, and the folders
 * above may be another user's, who can put a link to a root-only folder where a folder was a moment ago.
 *
 *   Linux     each folder on the way is opened from the one before it, without following links, and what is written below is named
 *             by the open folder (/proc/self/fd/N/name): what happens to the path later leads nowhere
 *   macOS     the same way is walked and looked at, by its names: a link that is put there later is followed
 *   Windows   tells Node no owner: the real path decides, as it does for what is read (follow-rule.ts)
 */
import { constants, existsSync } from 'node:fs';
import { chown, lstat, mkdir, open, readdir, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { makeDirectory, syncDirectory } from '../durable-file.ts';
import { mayFollow } from '../sources/follow-rule.ts';
import { isNetworkPath } from '../sources/network-path.ts';

/** open(2) of Linux: a handle that only names what it is of. It needs no right to read, as a path needs none for its folders. */
const O_PATH = 0o10000000;
const OPEN_FOLDERS = '/proc/self/fd';
/** path_resolution(7): so many links are followed. */
const MOST_LINKS = 40;

export interface HeldFolder extends AsyncDisposable {
  /** How people name it. */
  readonly path: string;
  /** The path by which calls reach `name` in it. */
  at(name: string): string;
  /** The path by which calls reach the folder itself. */
  readonly here: string;
  /** `text` of the system's, with the folder as people name it. */
  said(text: string): string;
  sync(): Promise<void>;
}

/** What is done where a folder on the way is not there. */
export type Missing = 'made' | 'failure';

/**
 * Holds the folder at `given` until it is disposed of. What is missing on the way is made, durably, with the owner of the folder it is
 * made in, so that who gets files in it can reach them. A link on the way is followed where only root or who runs this can have put it
 * there. Failure `target_refused` where another user's link is on the way, else `target_unwritable`.
 */
export async function holdFolder(given: string, missing: Missing = 'made'): Promise<HeldFolder> {
  const path = resolve(given);
  try {
    if (process.platform === 'win32') return await onWindows(path, missing);
    return await walked(path, { missing, isHeld: process.platform === 'linux' && existsSync(OPEN_FOLDERS) });
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const what = code === 'ENOENT' ? 'is not there' : `can't be written to (${code ?? message})`;
    throw new Failure('target_unwritable', `${path} ${what}.`, { cause });
  }
}

function heldFolder(path: string, here: string, close: () => Promise<void>): HeldFolder {
  return {
    path,
    here,
    at: (name) => join(here, name),
    said: (text) => (here === path ? text : text.replaceAll(here, path)),
    sync: () => syncDirectory(here),
    [Symbol.asyncDispose]: close,
  };
}

async function onWindows(path: string, missing: Missing): Promise<HeldFolder> {
  let there = path;
  // What is there of it: a junction may be any of its folders.
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  const real = await realpath(there);
  // A drive may be one of another machine, which who restores has named.
  const isElsewhere = real.toLowerCase() !== there.toLowerCase() && !isNetworkPath(real);
  const why = isElsewhere
    ? mayFollow({ real, kind: 'folder', size: 0 }, { root: there, owner: null, sep: '\\' })
    : null;
  if (why !== null) throw new Failure('target_refused', `${path} leads to ${real}: ${why}.`);
  if (missing === 'made') await makeDirectory(path);
  return heldFolder(path, path, async () => {});
}

/** A folder on the way. */
interface Step {
  /** The path by which calls reach it. */
  readonly here: string;
  readonly uid: number;
  readonly gid: number;
  /** Whether only users who are trusted can have put a link in it. */
  readonly isTrusted: boolean;
  close(): Promise<void>;
}

/** Calls `to(name)` below the folder, by whichever way. */
async function walked(
  path: string,
  { missing, isHeld }: { missing: Missing; isHeld: boolean },
): Promise<HeldFolder> {
  const trusted = await trustedUsers();
  const stepInto = (at: string, shown: string) =>
    isHeld ? openStep(at, trusted) : lookStep(at, shown, trusted);
  const steps: Step[] = [await stepInto('/', '/')];
  let names = namesOf(path);
  let links = 0;
  try {
    while (names.length > 0) {
      const above = steps.at(-1)!;
      const [name = '', ...rest] = names;
      if (name === '..') {
        if (steps.length > 1) await steps.pop()!.close();
        names = rest;
        continue;
      }
      const at = join(above.here, name);
      let isNew = false;
      const there = await lstat(at).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT' || missing === 'failure') throw error;
        isNew = await makeIn(above, at);
        return lstat(at);
      });
      if (there.isSymbolicLink()) {
        const to = await readlink(at);
        if (++links > MOST_LINKS) throw Object.assign(new Error(), { code: 'ELOOP' });
        if (!above.isTrusted || !trusted.has(there.uid))
          throw new Failure(
            'target_refused',
            `On the way to ${path}, ${name} is a link to ${to} that another user can have put there: name the place it leads to.`,
          );
        if (to.startsWith('/')) for (const step of steps.splice(1)) await step.close();
        names = [...namesOf(to), ...rest];
        continue;
      }
      const step = await stepInto(at, path);
      steps.push(step);
      if (isNew) steps.splice(-1, 1, await givenTo(above, step));
      names = rest;
    }
    const last = steps.pop()!;
    return heldFolder(path, isHeld ? last.here : path, last.close);
  } finally {
    for (const step of steps) await step.close();
  }
}

const namesOf = (path: string) => path.split('/').filter((name) => name !== '' && name !== '.');

/** Root, who runs this, and the owner of the root folder, which is root's number where users are mapped (containers). */
async function trustedUsers(): Promise<ReadonlySet<number>> {
  return new Set([0, process.geteuid!(), (await lstat('/')).uid]);
}

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

type Looked = { readonly uid: number; readonly gid: number; readonly mode: number };

function isTrustedFolder({ uid, mode }: Looked, trusted: ReadonlySet<number>): boolean {
  return trusted.has(uid) && ((mode & WRITABLE_BY_OTHERS) === 0 || (mode & STICKY) !== 0);
}

/** Opens a folder, and nothing that a link leads to. */
async function openStep(at: string, trusted: ReadonlySet<number>): Promise<Step> {
  const handle = await open(at, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const looked = await handle.stat();
  return {
    here: `${OPEN_FOLDERS}/${handle.fd}`,
    uid: looked.uid,
    gid: looked.gid,
    isTrusted: isTrustedFolder(looked, trusted),
    close: () => handle.close(),
  };
}

async function lookStep(at: string, path: string, trusted: ReadonlySet<number>): Promise<Step> {
  const looked = await lstat(at);
  if (!looked.isDirectory())
    throw new Failure('target_refused', `${path} can't be made: ${basename(at)} is no folder.`);
  return {
    here: at,
    uid: looked.uid,
    gid: looked.gid,
    isTrusted: isTrustedFolder(looked, trusted),
    close: async () => {},
  };
}

/** Makes the folder `at` in `above`, durable in it. False where another was quicker: what it made is looked at like anything. */
async function makeIn(above: Step, at: string): Promise<boolean> {
  try {
    await mkdir(at, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  await syncDirectory(above.here);
  return true;
}

/** Gives a folder that root made to the owner of the one above, who may have put another in its place: an empty one gives nothing away. */
async function givenTo({ uid, gid }: Step, made: Step): Promise<Step> {
  if (process.geteuid!() !== 0 || uid === 0 || (await readdir(made.here)).length > 0) return made;
  await chown(made.here, uid, gid);
  return { ...made, uid, gid, isTrusted: false };
}
