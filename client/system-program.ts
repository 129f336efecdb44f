/*
 * Programs of the system that this one runs, often with the rights of the whole machine. Which one runs is never somebody else's choice:
 * on Windows it is the one of System32, elsewhere the first of PATH that, where root runs it, nobody but root can replace.
 */
import { lstatSync, realpathSync, type Stats } from 'node:fs';
import { posix, win32 } from 'node:path';

/** What is asked of the machine. */
interface Surroundings {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whose rights this process has; undefined on Windows. */
  readonly uid?: number | undefined;
}

/** Absolute path of a program of the system, given by its file's name; null where there is none that may run. */
export function systemProgram(name: string, { platform, env, uid }: Surroundings = ours()): string | null {
  if (platform === 'win32') return win32.join(env.SystemRoot ?? 'C:\\Windows', 'System32', name);
  const folders = (env.PATH ?? '').split(':').filter((folder) => posix.isAbsolute(folder));
  const paths = folders.map((folder) => posix.join(folder, name));
  return paths.find((path) => isFile(path) && (uid !== 0 || whoReplaces(path) === null)) ?? null;
}

function ours(): Surroundings {
  return { platform: process.platform, env: process.env, uid: process.geteuid?.() };
}

function isFile(path: string): boolean {
  try {
    return lstatSync(realpathSync(path)).isFile();
  } catch {
    return false;
  }
}

/**
 * The first file, link or folder on the way to `path` through which others than root could put something else there; null where there is
 * none. What can't be looked at counts as theirs. A folder in which all may make files, but remove only their own (/tmp), is no such one.
 */
export function whoReplaces(path: string): string | null {
  const real = realpathOr(path);
  if (real === null) return path;
  const ways = [...upwards(posix.resolve(path)), ...upwards(real)];
  return ways.find((part) => !isOnlyRoots(part)) ?? null;
}

function realpathOr(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

function* upwards(path: string): Generator<string> {
  for (let at = path; ; at = posix.dirname(at)) {
    yield at;
    if (at === posix.dirname(at)) return;
  }
}

const STICKY = 0o1000;

function isOnlyRoots(path: string): boolean {
  let found: Stats;
  try {
    found = lstatSync(path);
  } catch {
    return false;
  }
  const others = found.gid === 0 ? 0o002 : 0o022;
  // The mode of a link means nothing.
  const isShared = !found.isSymbolicLink() && (found.mode & others) !== 0;
  return found.uid === 0 && (!isShared || (found.isDirectory() && (found.mode & STICKY) !== 0));
}
