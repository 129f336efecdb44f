// A Windows machine in memory for the finders: its users' names and places, and what is looked at of what was found.
import { expect } from 'vitest';
import type { Found } from '../../client/sources/find-sources.ts';
import { expand, type OfficeUser, type Planted, regFile } from './office.ts';
import { regFileRegistry } from './reg-file-registry.ts';
import { type TreeOptions, windowsTree } from './windows-tree.ts';

export const SID = 'S-1-5-21-1004336348-1177238915-682003330-1001';
export const LIST = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList';

export function someUser(home: string, sid = SID): OfficeUser {
  return {
    home,
    key: `HKEY_USERS\\${sid}`,
    roaming: `${home}\\AppData\\Roaming`,
    local: `${home}\\AppData\\Local`,
    documents: `${home}\\Documents`,
  };
}

export const listed = (user: OfficeUser) => ({
  path: `${LIST}\\${user.key.slice('HKEY_USERS\\'.length)}`,
  values: [expand('ProfileImagePath', user.home)],
});

export function machine(
  parts: Planted,
  {
    home,
    env = {},
    hives,
    ...tree
  }: TreeOptions & {
    home: string;
    env?: Record<string, string>;
    hives?: ReadonlyMap<string, Uint8Array>;
  },
) {
  return {
    platform: 'win32',
    env: { SystemDrive: 'C:', USERPROFILE: home, ...env },
    home,
    files: windowsTree(parts.files, tree),
    registry: regFileRegistry([regFile(parts.keys)], hives ? { hives } : {}),
    withHiveCopy: async <T>(hive: string, use: (copy: string) => Promise<T>): Promise<T> => use(hive),
  };
}

export const paths = (found: Found) => Object.fromEntries(found.items.map(({ path, take }) => [path, take]));
export const left = (found: Found) => Object.fromEntries(found.leftOut.map(({ path, why }) => [path, why]));

/** The row of the table a path was found by, whatever its case; undefined where it was not. */
export const rowOf = (found: Found, path: string) =>
  found.items.find((item) => item.path.toLowerCase() === path.toLowerCase())?.take;

/** Paths in the disk's case where a registry value wrote it in another. */
export function expectAll(found: Found, { found: wanted, leftOut }: Planted): void {
  const lower = (of: Record<string, string>) =>
    Object.fromEntries(Object.entries(of).map(([path, value]) => [path.toLowerCase(), value]));
  expect(found.items).toHaveLength(Object.keys(wanted).length);
  expect(lower(paths(found))).toEqual(lower(wanted));
  expect(lower(left(found))).toEqual(lower(leftOut));
}
