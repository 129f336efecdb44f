// Where a version belongs on this machine: the same place, below the folders of the user who is here now.
import type { PlatformPath } from 'node:path';
import type { VersionSummary } from '../../shared/protocol.ts';
import { isRegistryPath } from '../registry.ts';
import type { SearchedUser } from '../sources/finder.ts';
import { type SettingsTake, settingsPlace } from '../sources/outlook-settings.ts';

/** Whoever restores: their folders, and what their Outlook calls the folder of signatures. */
export interface Here {
  readonly path: PlatformPath;
  readonly user: Pick<SearchedUser, 'name' | 'sid' | 'home' | 'roaming' | 'local' | 'documents'>;
  readonly signatures: string;
}

export interface Place {
  readonly to: string;
  /** Its row, where it is one of Outlook's settings. */
  readonly take?: SettingsTake;
}

/** Where to put a version; null where its kind has a place that is not known here. Not for registry keys. */
export function placeHere({ kind, path }: Pick<VersionSummary, 'kind' | 'path'>, here: Here): Place | null {
  if (kind === 'outlook-settings' || kind === 'nk2') return settingsPlace(path, here.user, here.signatures);
  return { to: inFoldersOf(path, here) };
}

type Folder = 'roaming' | 'local' | 'documents' | 'home';

/** Folders of users as Windows has laid them out since XP, the more special first. */
const WINDOWS_FOLDERS: readonly [RegExp, Folder][] = [
  [/^[a-z]:\\Users\\[^\\]+\\AppData\\Roaming\\(.+)$/i, 'roaming'],
  [/^[a-z]:\\Users\\[^\\]+\\AppData\\Local\\(.+)$/i, 'local'],
  [/^[a-z]:\\Documents and Settings\\[^\\]+\\Local Settings\\Application Data\\(.+)$/i, 'local'],
  [/^[a-z]:\\Documents and Settings\\[^\\]+\\Application Data\\(.+)$/i, 'roaming'],
  [/^[a-z]:\\Users\\[^\\]+\\Documents\\(.+)$/i, 'documents'],
  [/^[a-z]:\\Documents and Settings\\[^\\]+\\My Documents\\(.+)$/i, 'documents'],
  [/^[a-z]:\\(?:Users|Documents and Settings)\\[^\\]+\\(.+)$/i, 'home'],
];
const OTHER_FOLDERS: readonly [RegExp, Folder][] = [
  [/^\/home\/[^/]+\/(.+)$/, 'home'],
  [/^\/Users\/[^/]+\/(.+)$/, 'home'],
];

function inFoldersOf(path: string, { path: { sep, join }, user }: Here): string {
  for (const [pattern, folder] of sep === '\\' ? WINDOWS_FOLDERS : OTHER_FOLDERS) {
    const rest = pattern.exec(path)?.[1];
    if (rest !== undefined) return join(user[folder], rest);
  }
  return path;
}

/** Whose a path was, as far as it tells: a name of a user's folder, or the id of a registry's user; null: nobody's. */
export function ownerOf(path: string): string | null {
  if (isRegistryPath(path)) return /^HKEY_USERS\\(S-[\d-]+)\\/i.exec(path)?.[1] ?? null;
  const windows = /^[a-z]:\\(?:Users|Documents and Settings)\\([^\\]+)\\/i.exec(path);
  return (windows ?? /^\/(?:home|Users)\/([^/]+)\//.exec(path))?.[1] ?? null;
}

/** A path as one below `folder`: nothing in it leads out of there, whatever machine it came from. */
export function belowFolder(path: string, folder: string, { join }: Pick<PlatformPath, 'join'>): string {
  const parts = path
    .replace(/^\\\\\?\\/, '')
    .split(/[\\/]+/)
    .map((part) => part.replace(/[<>:"|?*]/g, '_').replace(/[. ]+$/, ''))
    .filter((part) => part !== '');
  return join(folder, ...parts);
}
