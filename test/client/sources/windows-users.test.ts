// All users of a machine, as LocalSystem looks: a hive is loaded while it is asked and no longer, and what fails costs nobody else.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findSources } from '../../../client/sources/find-sources.ts';
import { Failure } from '../../../shared/failure.ts';
import { expand, planted, regFile, together } from '../../support/office.ts';
import { tempDir } from '../../support/temp-dir.ts';
import {
  expectAll,
  LIST,
  left,
  listed,
  machine,
  paths,
  rowOf,
  SID,
  someUser,
} from '../../support/windows-machine.ts';

describe('all users, as LocalSystem', () => {
  const system = { home: 'C:\\Windows\\system32\\config\\systemprofile' };
  const ann = someUser('C:\\Users\\Ann');
  const otherSid = SID.replace(/1001$/, '1002');
  const jan = someUser('C:\\Users\\Jan', otherSid);
  const listedBoth = { files: {}, keys: [listed(ann), listed(jan)], found: {}, leftOut: {} };
  const services = {
    files: { 'C:\\Windows\\ServiceProfiles\\LocalService\\x.pst': '' },
    keys: [
      {
        path: `${LIST}\\S-1-5-19`,
        values: [expand('ProfileImagePath', 'C:\\Windows\\ServiceProfiles\\LocalService')],
      },
      { path: `${LIST}\\${SID}.bak`, values: [expand('ProfileImagePath', 'C:\\Users\\Ann.old')] },
    ],
    found: {},
    leftOut: {},
  };

  test('those logged on by their loaded hives, services not', async () => {
    const parts = together(planted('365', ann), planted('2010', jan), listedBoth, services);
    const found = await findSources(machine(parts, system), { caches: false });
    expectAll(found, parts);
    expect(new Set(found.items.map(({ owner }) => owner))).toEqual(new Set(['Ann', 'Jan']));
  });

  test('one logged off by a copy of the hive, which is unloaded; profiles wait until the user logs on', async () => {
    const janOff = planted('2010', { ...jan, key: 'HKEY_USERS\\HIVE' });
    const annOn = planted('365', ann);
    const hive = regFile(janOff.keys);
    const copy = join(tempDir(), 'NTUSER.DAT');
    const parts = together({ ...janOff, keys: [] }, annOn, listedBoth);
    const one = machine(parts, { ...system, hives: new Map([['x', hive]]) });
    const asked: string[] = [];
    const found = await findSources(
      {
        ...one,
        withHiveCopy: async (path, use) => {
          asked.push(path);
          writeFileSync(copy, hive);
          return use(copy);
        },
      },
      { caches: false },
    );
    expect(asked).toEqual(['C:\\Users\\Jan\\NTUSER.DAT']);
    expect(one.registry.loaded).toEqual([]);
    expect(paths(found)['C:\\Poczta 2010\\Archiwum żółte 邮件 📬.pst']).toBe('pst');
    const profiles = `HKEY_USERS\\${otherSid}\\Software\\Microsoft\\Windows NT\\CurrentVersion\\Windows Messaging Subsystem\\Profiles`;
    expect(left(found)[profiles]).toBe('logged-off');
    expect(found.items.filter(({ kind }) => kind === 'mapi-profiles')).toHaveLength(1);
  });

  /** Jan is logged off, Ann is too, and each has a hive. What is listed while a hive is loaded is kept. */
  function twoLoggedOff() {
    const plans = [ann, jan].map((user) => planted('2010', { ...user, key: 'HKEY_USERS\\HIVE' }));
    const hives = new Map(plans.map((plan, n) => [[ann, jan][n]!.home, regFile(plan.keys)]));
    const parts = together(...plans.map((plan) => ({ ...plan, keys: [] })), listedBoth);
    const one = machine(parts, { ...system, hives });
    const whileLoaded: string[] = [];
    const list = (folder: string) => {
      if (one.registry.loaded.length > 0) whileLoaded.push(folder);
      return one.files.list(folder);
    };
    const copies: string[] = [];
    const withHiveCopy = async <T>(path: string, use: (copy: string) => Promise<T>): Promise<T> => {
      const copy = join(tempDir(), 'NTUSER.DAT');
      copies.push(copy);
      writeFileSync(copy, hives.get(path.replace('\\NTUSER.DAT', ''))!);
      return use(copy);
    };
    return { ...one, files: { ...one.files, list }, withHiveCopy, whileLoaded, copies };
  }
  const opened = 'C:\\Poczta 2010\\Archiwum żółte 邮件 📬.pst';
  const own = [ann, jan].map(
    ({ documents }) => `${documents}\\Pliki programu Outlook\\praca2010@example.org.pst`,
  );
  const hiveFiles = [ann, jan].map(({ home }) => `${home}\\NTUSER.DAT`);

  test('a hive is loaded while the registry is asked, and no folder is walked until it is unloaded', async () => {
    const two = twoLoggedOff();
    const found = await findSources(two, { caches: false });
    expect(two.copies).toHaveLength(2);
    expect(two.whileLoaded).toEqual([]);
    expect(two.registry.loaded).toEqual([]);
    expect(found.leftOut.filter(({ why }) => why === 'unreadable')).toEqual([]);
    for (const path of [opened, ...own]) expect(rowOf(found, path)).toBe('pst');
    // By what it is found: the profile, whose key is long unloaded.
    expect(found.items.find(({ path }) => path === opened)?.why).toContain('Outlook profile');
  });

  test('a hive that can not be unloaded: said for its user, and what both have is found', async () => {
    const two = twoLoggedOff();
    two.registry.held = true;
    const found = await findSources(two, { caches: false });
    for (const path of [opened, ...own]) expect(rowOf(found, path)).toBe('pst');
    expect(found.leftOut.filter(({ why }) => why === 'unreadable')).toEqual(
      hiveFiles.map((path) => ({
        path,
        why: 'unreadable',
        text: expect.stringMatching(
          /^the registry of a user who is logged off was read, but .* can't unload its copy/,
        ),
      })),
    );
    // The next look says the very same, and then gets rid of them.
    expect((await findSources(two, { caches: false })).leftOut).toEqual(found.leftOut);
    two.registry.held = false;
    await findSources(two, { caches: false });
    expect(two.registry.loaded).toEqual([]);
  });

  test('a copy that can not be removed: said for its user, and what both have is found', async () => {
    const two = twoLoggedOff();
    const withHiveCopy: typeof two.withHiveCopy = async (path, use) => {
      await two.withHiveCopy(path, use);
      throw new Failure('registry_failed', `The copy of ${path} can't be removed.`);
    };
    const found = await findSources({ ...two, withHiveCopy }, { caches: false });
    for (const path of [opened, ...own]) expect(rowOf(found, path)).toBe('pst');
    expect(Object.keys(left(found))).toEqual(expect.arrayContaining(hiveFiles));
  });

  test('a key of a hive that can not be read is said under the id of its user, the same at each look', async () => {
    const two = twoLoggedOff();
    const read = async (key: string) => {
      if (key.includes('Messaging')) throw new Failure('registry_failed', `reg.exe can't export ${key}.`);
      return two.registry.read(key);
    };
    const look = () => findSources({ ...two, registry: { ...two.registry, read } }, { caches: false });
    const unread = (await look()).leftOut.filter(({ why }) => why === 'unreadable');
    expect(unread.map(({ path }) => path)).toEqual(
      [ann, jan].map(({ key }) =>
        expect.stringMatching(new RegExp(`^HKEY_USERS.${key.slice(11)}.*Messaging`)),
      ),
    );
    for (const { path, text } of unread) expect(text).toBe(`reg.exe can't export ${path}`);
    expect((await look()).leftOut.filter(({ why }) => why === 'unreadable')).toEqual(unread);
  });

  test('asked to stop while a hive is loaded, it asks no more, unloads it and loads no other', async () => {
    const two = twoLoggedOff();
    const stop = new AbortController();
    const asked: string[] = [];
    const read = async (key: string) => {
      if (two.registry.loaded.length > 0) {
        asked.push(key);
        stop.abort();
      }
      return two.registry.read(key);
    };
    await findSources({ ...two, registry: { ...two.registry, read } }, { caches: false, stop: stop.signal });
    expect(asked).toHaveLength(1);
    expect(two.copies).toHaveLength(1);
    expect(two.registry.loaded).toEqual([]);
  });

  test('where a hive can not be loaded that is said, and the usual folders are searched', async () => {
    const parts = together({ ...planted('2010', jan), keys: [] }, listedBoth, {
      files: { 'C:\\Users\\Jan\\NTUSER.DAT': '' },
      keys: [{ path: `HKEY_USERS\\${SID}`, values: [] }],
      found: {},
      leftOut: {},
    });
    const one = machine(parts, system);
    const withHiveCopy = async <T>(_: string, use: (copy: string) => Promise<T>) => use('/dev/null');
    const found = await findSources({ ...one, withHiveCopy }, { caches: false });
    expect(found.leftOut).toContainEqual({
      path: 'C:\\Users\\Jan\\NTUSER.DAT',
      why: 'unreadable',
      text: expect.stringMatching(
        /logged off: reg.exe can't load the hive .*; only their usual folders are searched/,
      ),
    });
    expect(paths(found)[`${jan.documents}\\Pliki programu Outlook\\praca2010@example.org.pst`]).toBe('pst');
    expect(paths(found)['C:\\Poczta 2010\\Archiwum żółte 邮件 📬.pst']).toBeUndefined();
  });
});
