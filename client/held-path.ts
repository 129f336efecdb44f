/*
 * A path of POSIX walked folder by folder, each opened from the one before it and no link followed unseen, so that the walk ends where
 * it says, whoever renames and links meanwhile. Who runs this may be root, and the folders another user's.
 *
 *   Linux      what is open names what lies in it (/proc/self/fd/N/name): what happens to the path later leads nowhere
 *   elsewhere  the names are looked at one by one, and used: a link that is put there a moment later is followed
 */
import { constants, existsSync } from 'node:fs';
import { type FileHandle, lstat, open, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** open(2) of Linux: a handle that only names what it is of. It needs no right to read, as a path needs none for its folders. */
const O_PATH = 0o10000000;
const OPEN_FILES = '/proc/self/fd';
/** path_resolution(7): so many links are followed. */
const MOST_LINKS = 40;

/** The path by which calls reach what is open, whatever is called so by now; Linux alone has one. */
export function openPath({ fd }: FileHandle): string {
  return `${OPEN_FILES}/${fd}`;
}

/** Whether folders can be held here. */
export function canHold(): boolean {
  return process.platform === 'linux' && existsSync(OPEN_FILES);
}

/** A folder on the way. */
export interface Step {
  /** The path by which calls reach it. */
  readonly here: string;
  /** Its path without links, as it was walked. */
  readonly real: string;
  readonly uid: number;
  readonly gid: number;
  close(): Promise<void>;
}

/** A link on the way that another user can have put there. */
export interface DoubtfulLink {
  readonly name: string;
  readonly to: string;
  readonly owner: number;
}

export interface WalkRules {
  /** Called where `at`, in `above`, is not there. Where it returns, it is looked for once more; by default it fails. */
  readonly onMissing?: (above: Step, at: string) => Promise<void>;
  /** Called with a folder that was entered after onMissing() saw to it; what it returns takes its place. */
  readonly onMade?: (above: Step, made: Step) => Promise<Step>;
  /** Decides about a link that is not root's or one's own: it is followed where this returns. */
  readonly onDoubtful: (link: DoubtfulLink) => void;
}

/**
 * Walks to the folder at `path`, which is absolute. The caller closes what it returns. Throws the system's error, ELOOP for links that
 * lead to each other, and what the rules throw.
 */
export async function walkTo(path: string, rules: WalkRules): Promise<Step> {
  return (await walk(path, rules, false)).step;
}

/** The same to the folder that what is called `path` lies in once no link is left to follow, and its name there. */
export async function walkAbove(path: string, rules: WalkRules): Promise<{ step: Step; name: string }> {
  return walk(path, rules, true);
}

async function walk(path: string, rules: WalkRules, above: boolean): Promise<{ step: Step; name: string }> {
  const trusted = await trustedUsers();
  const isHeld = canHold();
  const steps: Step[] = [await enter('/', '/', isHeld)];
  const leave = async (from: number) => {
    for (const step of steps.splice(from)) await step.close();
  };
  let names = namesOf(path);
  let links = 0;
  try {
    for (;;) {
      const last = steps.at(-1)!;
      const [name, ...rest] = names;
      if (name === undefined) return { step: steps.pop()!, name: '' };
      if (name === '..') {
        if (steps.length > 1) await leave(steps.length - 1);
        names = rest;
        continue;
      }
      const at = join(last.here, name);
      let isNew = false;
      const there = await lstat(at).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT' || !rules.onMissing) throw error;
        await rules.onMissing(last, at);
        isNew = true;
        return lstat(at);
      });
      if (there.isSymbolicLink()) {
        const to = await readlink(at);
        if (++links > MOST_LINKS) throw Object.assign(new Error(`ELOOP: ${path}`), { code: 'ELOOP' });
        if (!trusted.has(there.uid) || !isSafe(await lstatOf(last), trusted))
          rules.onDoubtful({ name, to, owner: there.uid });
        if (to.startsWith('/')) await leave(1);
        names = [...namesOf(to), ...rest];
        continue;
      }
      if (above && rest.length === 0) return { step: steps.pop()!, name };
      const step = await enter(at, join(last.real, name), isHeld);
      steps.push(step);
      if (isNew && rules.onMade) steps.splice(-1, 1, await rules.onMade(last, step));
      names = rest;
    }
  } finally {
    await leave(0);
  }
}

const namesOf = (path: string) => path.split('/').filter((name) => name !== '' && name !== '.');

/** Root, who runs this, and the owner of the root folder, which is root's number where users are mapped (containers). */
async function trustedUsers(): Promise<ReadonlySet<number>> {
  return new Set([0, process.geteuid!(), (await lstat('/')).uid]);
}

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/** Of the folder itself: a trailing slash follows what names an open one. */
const lstatOf = ({ here }: Step) => lstat(`${here}/`);

/** Whether only users who are trusted can have put their own link in a folder. */
function isSafe({ uid, mode }: { uid: number; mode: number }, trusted: ReadonlySet<number>): boolean {
  return trusted.has(uid) && ((mode & WRITABLE_BY_OTHERS) === 0 || (mode & STICKY) !== 0);
}

/** Enters a folder, and nothing that a link leads to. */
async function enter(at: string, real: string, isHeld: boolean): Promise<Step> {
  if (!isHeld) {
    const { uid, gid, isDirectory } = await lstat(at).then((look) => ({
      uid: look.uid,
      gid: look.gid,
      isDirectory: look.isDirectory(),
    }));
    if (!isDirectory) throw Object.assign(new Error(`ENOTDIR: ${real}`), { code: 'ENOTDIR' });
    return { here: at, real, uid, gid, close: async () => {} };
  }
  const handle = await open(at, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const { uid, gid } = await handle.stat();
    return { here: openPath(handle), real, uid, gid, close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}
