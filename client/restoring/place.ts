// Where a version belongs on this machine: the same place, below the folders of the user who is here now.
import type { PlatformPath } from 'node:path';
import type { VersionSummary } from '../../shared/protocol.ts';
import { isRegistryPath } from '../registry/registry.ts';
import type { SearchedUser } from '../sources/finder.ts';
import { type SettingsTake, settingsPlace } from '../sources/outlook-settings.ts';
import { exactBelow } from './foreign-path.ts';

/** Whoever restores: their folders, what their Outlook calls the folder of signatures, and which paths elsewhere are theirs. */
export interface Here {
  readonly path: PlatformPath;
  readonly user: Pick<SearchedUser, 'name' | 'sid' | 'home' | 'roaming' | 'local' | 'documents'>;
  readonly signatures: string;
  /**
   * Whether a place outside of the user's folders is known by more than the server's word: it was named by who restores, or this
   * device has taken it from there.
   */
  readonly isOwn: (path: string) => boolean;
}

export interface Place {
  readonly to: string;
  /** Its row, where it is one of Outlook's settings. */
  readonly take?: SettingsTake;
}

/** Where to put a version as a file, or why it has no place here. */
export function placeHere(
  { kind, path }: Pick<VersionSummary, 'kind' | 'path'>,
  here: Here,
): Place | { readonly refused: string } {
  if (kind === 'mapi-profiles' || isRegistryPath(path))
    return { refused: 'It is no file, or not of its kind.' };
  if (kind !== 'outlook-settings' && kind !== 'nk2') return inFoldersOf({ kind, path }, here);
  const found = settingsPlace(path, here.user, here.signatures);
  if (!found) return { refused: 'It has no place in the folders of Outlook.' };
  const place = exactBelow(found.base, found.names, here.path);
  return 'refused' in place ? place : { ...place, take: found.take };
}

type Folder = 'roaming' | 'local' | 'documents' | 'home';

/** Folders of users as Windows has laid them out since XP, the more special first. */
const WINDOWS_FOLDERS: readonly [RegExp, Folder][] = [
  [/^[a-z]:\\Users\\[^\\]+\\AppData\\Roaming\\(.+)$/is, 'roaming'],
  [/^[a-z]:\\Users\\[^\\]+\\AppData\\Local\\(.+)$/is, 'local'],
  [/^[a-z]:\\Documents and Settings\\[^\\]+\\Local Settings\\Application Data\\(.+)$/is, 'local'],
  [/^[a-z]:\\Documents and Settings\\[^\\]+\\Application Data\\(.+)$/is, 'roaming'],
  [/^[a-z]:\\Users\\[^\\]+\\Documents\\(.+)$/is, 'documents'],
  [/^[a-z]:\\Documents and Settings\\[^\\]+\\My Documents\\(.+)$/is, 'documents'],
  [/^[a-z]:\\(?:Users|Documents and Settings)\\[^\\]+\\(.+)$/is, 'home'],
];
const OTHER_FOLDERS: readonly [RegExp, Folder][] = [
  [/^\/home\/[^/]+\/(.+)$/s, 'home'],
  [/^\/Users\/[^/]+\/(.+)$/s, 'home'],
];

function inFoldersOf(
  { kind, path }: Pick<VersionSummary, 'kind' | 'path'>,
  here: Here,
): Place | { readonly refused: string } {
  const { sep } = here.path;
  for (const [pattern, folder] of sep === '\\' ? WINDOWS_FOLDERS : OTHER_FOLDERS) {
    const rest = pattern.exec(path)?.[1];
    if (rest !== undefined) return exactBelow(here.user[folder], rest.split(sep), here.path);
  }
  for (const folder of [here.user.roaming, here.user.local, here.user.documents, here.user.home]) {
    // `H:\` ends in one already; where there is one root, all below it is nobody's folder.
    const bare = folder.replace(sep === '\\' ? /[\\/]+$/ : /\/+$/, '');
    if (bare === '') continue;
    const start = bare + sep;
    const isBelow =
      sep === '\\' ? path.toLowerCase().startsWith(start.toLowerCase()) : path.startsWith(start);
    if (isBelow) return exactBelow(folder, path.slice(start.length).split(sep), here.path);
  }
  // Of a mail program's databases one alone, without its log, is of no use.
  const alone = kind === 'mail-client' ? '' : ': name its path alone to restore it there';
  return here.isOwn(path) ? { to: path } : { refused: `Its place is outside of your folders${alone}.` };
}

/** Whose a path was, as far as it tells: a name of a user's folder, or the id of a registry's user; null: nobody's. */
export function ownerOf(path: string): string | null {
  if (isRegistryPath(path)) return /^HKEY_USERS\\(S-[\d-]+)\\/i.exec(path)?.[1] ?? null;
  const windows = /^[a-z]:\\(?:Users|Documents and Settings)\\([^\\]+)\\/i.exec(path);
  return (windows ?? /^\/(?:home|Users)\/([^/]+)\//.exec(path))?.[1] ?? null;
}
