// The finders over a Windows machine in memory, from Office 2003 to 365: each item once, nothing invented, what is left out said.
import { describe, expect, test } from 'vitest';
import { findSources, takesOf } from '../../../client/sources/find-sources.ts';
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
  text,
  together,
  YEARS,
  type Year,
} from '../../support/office.ts';
import {
  expectAll,
  left,
  listed,
  machine,
  paths,
  rowOf,
  SID,
  someUser,
} from '../../support/windows-machine.ts';

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
