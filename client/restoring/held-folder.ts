// The folder that a restore writes into, held so that nobody leads it elsewhere meanwhile (held-path.ts).
import { existsSync } from 'node:fs';
import { chown, mkdir, readdir, realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { makeDirectory, syncDirectory } from '../durable-file.ts';
import { canHold, type Step, type WalkRules, walkTo } from '../held-path.ts';
import { mayFollow } from '../sources/follow-rule.ts';
import { isNetworkPath } from '../sources/network-path.ts';

export interface HeldFolder extends AsyncDisposable {
  /** How people name it. */
  readonly path: string;
  /** The path by which calls reach `name` in it. */
  at(name: string): string;
  /** How people name `name` in it. */
  shown(name: string): string;
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
    const step = await walkTo(path, rulesFor(path, missing));
    return heldFolder(path, canHold() ? step.here : path, step.close);
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
    shown: (name) => join(path, name),
    said: (text) => (here === path ? text : text.replaceAll(here, path)),
    sync: () => syncDirectory(here),
    [Symbol.asyncDispose]: close,
  };
}

/** Windows tells Node no owner: the real path decides, as it does for what is read. */
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

function rulesFor(path: string, missing: Missing): WalkRules {
  const made = { onMissing: makeIn, onMade: givenTo };
  return {
    ...(missing === 'made' ? made : {}),
    onDoubtful: ({ name, to }) => {
      throw new Failure(
        'target_refused',
        `On the way to ${path}, ${name} is a link to ${to} that another user can have put there: name the place it leads to.`,
      );
    },
  };
}

/** Makes the folder `at` in `above`, durable in it. Where another was quicker, what it made is looked at like anything. */
async function makeIn(above: Step, at: string): Promise<void> {
  await mkdir(at, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await syncDirectory(above.here);
}

/** Gives a folder that root made to the owner of the one above, who may have put another in its place: an empty one gives nothing away. */
async function givenTo({ uid, gid }: Step, made: Step): Promise<Step> {
  if (process.geteuid!() !== 0 || uid === 0 || made.uid !== 0 || (await readdir(made.here)).length > 0)
    return made;
  await chown(made.here, uid, gid);
  return { ...made, uid, gid };
}
