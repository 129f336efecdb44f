// What a person reads and types: paths as short as they can be used, and words as a shell takes them.
import { isAbsolute, relative, sep } from 'node:path';

export interface Place {
  readonly cwd: string;
  /** The user's home folder; null where a path below it is to be shown as it is. */
  readonly home: string | null;
}

/** The shortest way to name `path`: from the folder that the person is in, from home, or in full. */
export function shownPath(path: string, { cwd, home }: Place): string {
  const below = (folder: string) => {
    const rest = relative(folder, path);
    return rest === '' || rest === '..' || rest.startsWith(`..${sep}`) || isAbsolute(rest) ? null : rest;
  };
  const here = below(cwd);
  // A path that begins like an option would be taken for one.
  const fromHere = here?.startsWith('-') ? `.${sep}${here}` : here;
  const atHome = home === null ? null : below(home);
  const names = [path, fromHere, atHome === null ? null : `~${sep}${atHome}`];
  return names
    .filter((name) => name !== null)
    .reduce((shortest, name) => (name.length < shortest.length ? name : shortest));
}

/** `word` as one word of a POSIX shell, or of cmd.exe on Windows. */
export function shellWord(word: string, platform: string): string {
  if (/^[\w@%+=:,./\\-]+$/.test(word) && (platform === 'win32' || !word.includes('\\'))) return word;
  return platform === 'win32' ? `"${word}"` : `'${word.replaceAll("'", `'\\''`)}'`;
}
