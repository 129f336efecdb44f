// The registry port: what the finders read, what a backup exports and what a restore imports.
import type { Failure } from '../../shared/failure.ts';
import type { RegKey } from './reg-file.ts';

/** How names of keys below HKEY_USERS begin that hives are loaded under: whatever begins so is ours. */
export const HIVE_PREFIX = 'mailferry-';

/**
 * Keys are named in full from their root on (HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, HKEY_USERS). Every failure is
 * `registry_failed`; that a key is not there is none.
 */
export interface Registry {
  /** The key and all below it, or null where there is no such key. Changes nothing. */
  read(key: string): Promise<readonly RegKey[] | null>;
  /** Names of the keys directly below, or null where there is no such key. Only names in ASCII are to be relied on. */
  children(key: string): Promise<readonly string[] | null>;
  /**
   * Writes the key and all below it to `file` (a new one) as reg.exe does: UTF-16LE, readable by its owner only. False where
   * there is no such key; then there is no file.
   */
  exportTo(key: string, file: string): Promise<boolean>;
  /** Takes a file of that format into the registry. Not atomic: a failure may leave a part of it done. */
  importFrom(file: string): Promise<void>;
  /**
   * Loads a hive file under a key of its own, hands that key to `use`, and unloads it in every case. Needs the privileges of
   * LocalSystem or an elevated administrator. The file is written to; give a copy. While it is loaded Windows holds the file, and
   * whoever dies then leaves both: ask what is to be known, and no more. A failed unload is a failure, but never in place of one of
   * `use`.
   */
  withHive<T>(file: string, use: (key: string) => Promise<T>): Promise<T>;
  /** Unloads every hive that was loaded by withHive() and stayed; the failures of those that can't be. Never rejects. */
  unloadLeft(): Promise<readonly Failure[]>;
}

/** Whether a source's path names a registry key and not a file. */
export function isRegistryPath(path: string): boolean {
  return /^HKEY_(CURRENT_USER|LOCAL_MACHINE|USERS)\\/.test(path);
}
