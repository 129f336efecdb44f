// The finders over a Windows machine in memory, from Office 2003 to 365: each item once, nothing invented, what is left out said.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Found, findSources, takesOf } from '../../../client/sources/find-sources.ts';
import { Failure } from '../../../shared/failure.ts';
import {
  expand,
  mapi,
  type OfficeUser,
  type Planted,
  planted,
  plantedClients,
  plantedDecoys,
  plantedOnce,
  regFile,
  text,
  together,
  YEARS,
  type Year,
} from '../../support/office.ts';
import { regFileRegistry } from '../../support/reg-file-registry.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { windowsTree } from '../../support/windows-tree.ts';

const SID = 'S-1-5-21-1004336348-1177238915-682003330-1001';
const LIST = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList';

function someUser(home: string, sid = SID): OfficeUser {
  return {
    home,
    key: `HKEY_USERS\\${sid}`,
    roaming: `${home}\\AppData\\Roaming`,
    local: `${home}\\AppData\\Local`,
    documents: `${home}\\Documents`,
  };
}

const listed = (user: OfficeUser) => ({
  path: `${LIST}\\${user.key.slice('HKEY_USERS\\'.length)}`,
  values: [expand('ProfileImagePath', user.home)],
});

function machine(
  parts: Planted,
  {
    home,
    env = {},
    closed = [],
    hives,
  }: {
    home: string;
    env?: Record<string, string>;
    closed?: string[];
    hives?: ReadonlyMap<string, Uint8Array>;
  },
) {
  return {
    platform: 'win32',
    env: { SystemDrive: 'C:', USERPROFILE: home, ...env },
    home,
    files: windowsTree(parts.files, { closed }),
    registry: regFileRegistry([regFile(parts.keys)], hives ? { hives } : {}),
    withHiveCopy: async <T>(hive: string, use: (copy: string) => Promise<T>): Promise<T> => use(hive),
  };
}

const paths = (found: Found) => Object.fromEntries(found.items.map(({ path, take }) => [path, take]));
const left = (found: Found) => Object.fromEntries(found.leftOut.map(({ path, why }) => [path, why]));

/** The row of the table a path was found by, whatever its case; undefined where it was not. */
const rowOf = (found: Found, path: string) =>
  found.items.find((item) => item.path.toLowerCase() === path.toLowerCase())?.take;

/** Paths in the disk's case where a registry value wrote it in another. */
function expectAll(found: Found, { found: wanted, leftOut }: Planted): void {
  const lower = (of: Record<string, string>) =>
    Object.fromEntries(Object.entries(of).map(([path, value]) => [path.toLowerCase(), value]));
  expect(found.items).toHaveLength(Object.keys(wanted).length);
  expect(lower(paths(found))).toEqual(lower(wanted));
  expect(lower(left(found))).toEqual(lower(leftOut));
}

describe('one user', () => {
  const user = someUser('C:\\Users\\Józef 王');

  test.each(Object.keys(YEARS) as Year[])('Outlook %s', async (year) => {
    const parts = together(planted(year, user), { files: {}, keys: [listed(user)], found: {}, leftOut: {} });
    const found = await findSources(machine(parts, user), { caches: false });
    expectAll(found, parts);
    const opened = found.items.find(({ path }) => path.startsWith('C:\\Poczta'));
    expect(opened).toMatchObject({
      owner: 'Józef 王',
      kind: 'pst',
      why: `Outlook profile "Zażółć ${year} 工作 📬" opens it`,
    });
  });

  test('every Outlook and every other program on one machine', async () => {
    const clients = plantedClients(user);
    const years = (Object.keys(YEARS) as Year[]).map((year) => planted(year, user));
    const parts = together(...years, plantedOnce(user), clients, {
      files: {},
      keys: [listed(user)],
      found: {},
      leftOut: {},
    });
    const found = await findSources(machine(parts, user), { caches: false });
    expectAll(found, parts);
    const sets = found.items.filter(({ set }) => set !== null).map(({ path, set }) => [path, set]);
    expect(Object.fromEntries(sets)).toEqual(clients.sets);
    const rows = new Set(takesOf('win32').map(({ id }) => id));
    for (const { take, why, kind } of found.items) {
      expect(rows).toContain(take);
      expect(why).not.toBe('');
      expect(kind).toBe(takesOf('win32').find(({ id }) => id === take)?.kind);
    }
  });

  test('caches are taken where they are asked for, and an OST says that Windows leaves it out of snapshots', async () => {
    const here = { files: {}, keys: [listed(user)], found: {}, leftOut: {} };
    const parts = together(planted('365', user), plantedOnce(user), plantedClients(user), here);
    const found = await findSources(machine(parts, user), { caches: true });
    expect(Object.values(left(found))).not.toContain('cache');
    const ost = found.items.find(({ kind }) => kind === 'ost');
    expect(ost?.why).toBe(
      'Outlook profile "Zażółć 365 工作 📬" opens it; Windows leaves OST files out of snapshots',
    );
    const imap = found.items.filter(({ path }) => path.endsWith('INBOX')).map(({ path }) => path);
    expect(imap).toEqual([
      `${user.roaming}\\Thunderbird\\Profiles\\ab12cd34.domyślny\\ImapMail\\imap.example.org\\INBOX`,
      'C:\\Poczta IMAP\\INBOX',
    ]);
  });

  test('documents in OneDrive or a DataNow cache on another drive are found by where the registry says they are', async () => {
    const files = {
      'D:\\DataNow\\Dokumenty 文件\\Pliki programu Outlook\\a.pst': '',
      'D:\\DataNow\\elsewhere\\b.pst': '',
      [`${user.home}\\AppData\\Roaming\\x`]: '',
    };
    const keys = [
      listed(user),
      {
        path: `${user.key}\\Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\User Shell Folders`,
        values: [
          expand('Personal', '%CACHE%\\Dokumenty 文件'),
          expand('AppData', '%USERPROFILE%\\AppData\\Roaming'),
        ],
      },
      { path: `${user.key}\\Environment`, values: [text('CACHE', 'D:\\DataNow')] },
    ];
    const found = await findSources(machine({ files, keys, found: {}, leftOut: {} }, user), {
      caches: false,
    });
    expect(found.items.map(({ path, why }) => [path, why])).toEqual([
      ['D:\\DataNow\\Dokumenty 文件\\Pliki programu Outlook\\a.pst', 'it lies in the documents folder'],
    ]);
  });

  test('Windows XP with Outlook 2003: its own folders', async () => {
    const xp: OfficeUser = {
      home: 'C:\\Documents and Settings\\Józef',
      key: `HKEY_USERS\\${SID}`,
      roaming: 'C:\\Documents and Settings\\Józef\\Application Data',
      local: 'C:\\Documents and Settings\\Józef\\Local Settings\\Application Data',
      documents: 'C:\\Documents and Settings\\Józef\\My Documents',
    };
    const parts = together(planted('2003', xp), { files: {}, keys: [listed(xp)], found: {}, leftOut: {} });
    expectAll(await findSources(machine(parts, xp), { caches: false }), parts);
  });

  test('the ANSI twin of a store path is taken where it is plain ASCII, and left where its code page is not known', async () => {
    const profile = `${user.key}\\Software\\Microsoft\\Office\\16.0\\Outlook\\Profiles\\p`;
    const ansi = (path: string) => ({ name: '001e6700', type: 3, data: Buffer.from(`${path}\0`, 'latin1') });
    const keys = [
      { path: `${profile}\\1`, values: [ansi('C:\\plain.pst')] },
      { path: `${profile}\\2`, values: [ansi('C:\\z\xf3\xb3.pst')] },
    ];
    const parts = { files: { 'C:\\plain.pst': '', 'C:\\zó³.pst': '' }, keys, found: {}, leftOut: {} };
    const found = await findSources(machine({ ...parts, keys: [...keys, listed(user)] }, user), {
      caches: false,
    });
    expect(found.items.filter(({ kind }) => kind === 'pst').map(({ path }) => path)).toEqual([
      'C:\\plain.pst',
    ]);
  });

  test('a machine without any of it: nothing is invented', async () => {
    const parts: Planted = {
      files: { [`${user.home}\\AppData\\Roaming\\x.txt`]: '' },
      keys: [
        listed(user),
        { path: `${user.key}\\Software\\Microsoft\\Office\\16.0\\Outlook\\Profiles`, values: [] },
      ],
      found: {},
      leftOut: {},
    };
    expect(await findSources(machine(parts, user), { caches: true })).toEqual({ items: [], leftOut: [] });
  });

  test.each([false, true])(
    'what only looks like mail, caches wanted: %s: nothing of it is taken',
    async (caches) => {
      const decoys = plantedDecoys(user);
      const alone = together(decoys, { files: {}, keys: [listed(user)], found: {}, leftOut: {} });
      expect((await findSources(machine(alone, user), { caches })).items).toEqual([]);
    },
  );

  test('a folder that can not be looked into is said, the rest is found', async () => {
    const closed = [`${user.roaming}\\Microsoft\\Stationery`, `${user.home}\\Desktop`];
    const parts = together(planted('365', user), plantedOnce(user));
    const found = await findSources(machine(parts, { ...user, closed }), { caches: false });
    for (const path of closed)
      expect(found.leftOut).toContainEqual({
        path,
        why: 'unreadable',
        code: 'EPERM',
        text: expect.stringContaining('EPERM'),
      });
    expect(paths(found)[`${user.roaming}\\Microsoft\\Outlook\\OutlPrnt`]).toBe('print-styles');
  });

  /** A machine on which keys that `broken` matches are there and can't be read. */
  function withBroken(parts: Planted, broken: RegExp) {
    const one = machine(parts, user);
    const refuse =
      <T>(ask: (key: string) => Promise<T>) =>
      async (key: string): Promise<T> => {
        if (broken.test(key))
          throw new Failure('registry_failed', `reg.exe can't export ${key}: it ended with 1.`);
        return ask(key);
      };
    const { read, children } = one.registry;
    return { ...one, registry: { ...one.registry, read: refuse(read), children: refuse(children) } };
  }

  test.each<[string, RegExp]>([
    ['the profiles of 2003 to 2010', /Windows Messaging Subsystem/],
    ['the versions of Office', /\\Microsoft\\Office$/],
    ['Outlook 365', /\\16\.0\\Outlook/],
    ['where the signatures are', /\\Common\\General/],
    ['the policies', /\\Policies\\/],
    ["the user's folders", /User Shell Folders/],
    ['the environment', /\\Environment/],
    ["the user's whole part", /S-1-5-21[^\\]*\\/],
    ['the list of users', /ProfileList/],
    ['everything', /./],
  ])('%s can not be read: said once for each key, and what the folders hold is found', async (_, broken) => {
    const parts = together(planted('365', user), plantedOnce(user), plantedClients(user), {
      files: {},
      keys: [listed(user)],
      found: {},
      leftOut: {},
    });
    const found = await findSources(withBroken(parts, broken), { caches: false });
    const unread = found.leftOut.filter(({ why }) => why === 'unreadable');
    expect(unread.length).toBeGreaterThan(0);
    for (const { path, text } of unread) {
      expect(path).toMatch(broken);
      expect(text).toBe(`reg.exe can't export ${path}: it ended with 1`);
    }
    expect(new Set(unread.map(({ path }) => path)).size).toBe(unread.length);
    const inFolders = {
      [`${user.documents}\\Pliki programu Outlook\\praca365@example.org.pst`]: 'pst',
      [`${user.home}\\Desktop\\kopia 365.PST`]: 'pst',
      [`${user.roaming}\\Microsoft\\Signatures\\old.txt`]: 'signatures',
      [`${user.roaming}\\Thunderbird\\profiles.ini`]: 'thunderbird',
      [`${user.roaming}\\The Bat!\\Konto 1\\account.cfn`]: 'the-bat',
    };
    for (const [path, row] of Object.entries(inFolders)) expect(rowOf(found, path)).toBe(row);
  });

  test('one key that can not be read hides nothing that others say', async () => {
    const parts = together(planted('2010', user), planted('365', user), {
      files: {},
      keys: [listed(user)],
      found: {},
      leftOut: {},
    });
    const found = await findSources(withBroken(parts, /Messaging/), { caches: false });
    expect(paths(found)['C:\\Poczta 365\\Archiwum żółte 邮件 📬.pst']).toBe('pst');
    expect(paths(found)[`${user.key}\\Software\\Microsoft\\Office\\16.0\\Outlook\\Profiles`]).toBe(
      'mapi-profiles',
    );
  });

  test('asked to stop, it walks no further', async () => {
    const parts = together(planted('365', user), { files: {}, keys: [listed(user)], found: {}, leftOut: {} });
    const one = machine(parts, user);
    const stop = new AbortController();
    const listedFolders: string[] = [];
    const files = {
      ...one.files,
      list(folder: string) {
        listedFolders.push(folder);
        if (listedFolders.length === 3) stop.abort();
        return one.files.list(folder);
      },
    };
    await findSources({ ...one, files }, { caches: false, stop: stop.signal });
    expect(listedFolders).toHaveLength(3);
  });
});

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

test('rows of the table are told apart, and say everything', () => {
  for (const platform of ['win32', 'linux']) {
    const takes = takesOf(platform);
    expect(new Set(takes.map(({ id }) => id)).size).toBe(takes.length);
    for (const take of takes)
      for (const word of [take.what, take.where, take.why, take.restored]) expect(word).not.toBe('');
  }
});

test('mapi values are UTF-16LE with a NUL', () => {
  expect(Buffer.from(mapi('001f6700', 'ż').data).toString('hex')).toBe('7c010000');
});
