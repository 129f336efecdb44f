// A registry in memory, made of .reg files, read and written by the project's own codec: for machines without reg.exe.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { decodeRegFile, encodeRegFile, type RegKey, type RegValue } from '../../client/registry/reg-file.ts';
import { isWithin } from '../../client/registry/reg-value.ts';
import { HIVE_PREFIX, type Registry } from '../../client/registry/registry.ts';
import { asFailure, Failure } from '../../shared/failure.ts';

interface Entry {
  readonly path: string;
  readonly values: Map<string, RegValue>;
}

export interface RegFileRegistry extends Registry {
  /** Puts the keys of a .reg file's bytes in, as an import does. */
  take(bytes: Uint8Array): void;
  /** Hives that were loaded and are not unloaded. */
  readonly loaded: readonly string[];
  /** Whether somebody holds what is loaded, so that it can't be unloaded. */
  held: boolean;
}

/** `hives`: bytes of .reg files that stand for hive files, by path; loading any other is refused. */
export function regFileRegistry(
  files: readonly Uint8Array[] = [],
  { hives }: { hives?: ReadonlyMap<string, Uint8Array> } = {},
): RegFileRegistry {
  const entries = new Map<string, Entry>();
  const loaded: string[] = [];
  let count = 0;

  const entry = (path: string): Entry => {
    const cut = path.lastIndexOf('\\');
    if (cut !== -1) entry(path.slice(0, cut));
    const made = entries.get(path.toLowerCase()) ?? { path, values: new Map() };
    entries.set(path.toLowerCase(), made);
    return made;
  };
  const remove = (path: string) => {
    for (const [name, { path: inner }] of entries) if (isWithin(inner, path)) entries.delete(name);
  };
  const put = (keys: readonly RegKey[]) => {
    for (const { path, values, removed } of keys) {
      if (removed) remove(path);
      else for (const value of values) entry(path).values.set(value.name.toLowerCase(), value);
      if (!removed) entry(path);
    }
  };
  const below = (key: string): RegKey[] =>
    [...entries.values()]
      .filter(({ path }) => isWithin(path, key))
      .sort((a, b) => (a.path.toLowerCase() < b.path.toLowerCase() ? -1 : 1))
      .map(({ path, values }) => ({ path, values: [...values.values()] }));

  for (const bytes of files) put(decodeRegFile(bytes));

  const unload = (key: string) => {
    if (double.held) throw new Failure('registry_failed', `reg.exe can't unload ${key}: it ended with 1.`);
    remove(key);
    loaded.splice(loaded.indexOf(key), 1);
  };

  const double: RegFileRegistry = {
    loaded,
    held: false,
    take: (bytes) => put(decodeRegFile(bytes)),
    async read(key) {
      const keys = below(key);
      return keys.length > 0 ? keys : null;
    },
    async children(key) {
      if (!entries.has(key.toLowerCase())) return null;
      return below(key)
        .map(({ path }) => path.slice(key.length + 1))
        .filter((name) => name !== '' && !name.includes('\\'));
    },
    async exportTo(key, file) {
      const keys = below(key);
      if (keys.length === 0) return false;
      await writeFile(file, encodeRegFile(keys), { mode: 0o600, flag: 'wx' });
      return true;
    },
    async importFrom(file) {
      put(decodeRegFile(await readFile(file)));
    },
    async withHive(file, use) {
      const bytes = await readFile(file);
      if (!hives)
        throw new Failure('registry_failed', `reg.exe can't load the hive ${file}: it ended with 1.`);
      const hive = [...hives.values()].find((one) => Buffer.from(one).equals(bytes));
      if (!hive) throw new Failure('registry_failed', `${file} is no hive.`);
      const key = `HKEY_USERS\\${HIVE_PREFIX}${count++}`;
      loaded.push(key);
      put(
        decodeRegFile(hive).map((one) => ({ ...one, path: key + one.path.slice('HKEY_USERS\\HIVE'.length) })),
      );
      const result = await use(key);
      unload(key);
      await rm(file, { force: true });
      return result;
    },
    async unloadLeft() {
      const failures: Failure[] = [];
      for (const key of [...loaded]) {
        try {
          unload(key);
        } catch (error) {
          failures.push(asFailure(error));
        }
      }
      return failures;
    },
  };
  return double;
}
