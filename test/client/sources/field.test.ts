// What the field has and the finders of 0.1 passed by, on a Windows machine in memory: junctions, entries that can't be looked at,
// profiles that are not what they seem, variables, places that no profile leads to; and one finder or user that fails.
import { writeFileSync } from 'node:fs';
import { join, win32 } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RegKey } from '../../../client/registry/reg-file.ts';
import { type Found, findSources } from '../../../client/sources/find-sources.ts';
import { profilesOf, serversOf } from '../../../client/sources/mozilla-files.ts';
import { nodeFiles } from '../../../client/sources/node-files.ts';
import { expand, mapi, regFile, text } from '../../support/office.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { LIST, left, listed, machine, paths, SID, someUser } from '../../support/windows-machine.ts';

const ann = someUser('C:\\Users\\Ann');
const system = 'C:\\Windows\\system32\\config\\systemprofile';
const jan = someUser('C:\\Users\\Jan', SID.replace(/1001$/, '1002'));

interface Here {
  readonly files: Record<string, string>;
  readonly keys?: RegKey[];
  readonly home?: string;
  readonly env?: Record<string, string>;
  readonly junctions?: Record<string, string>;
  readonly unknown?: string[];
  readonly closed?: string[];
}

const here = ({ files, keys = [listed(ann)], home = ann.home, ...more }: Here) =>
  machine({ files, keys, found: {}, leftOut: {} }, { home, ...more });
const find = (what: Here, options: { searchAll?: boolean } = {}) =>
  findSources(here(what), { caches: false, ...options });
const stores = (found: Found) =>
  found.items
    .filter(({ kind }) => kind === 'pst')
    .map(({ path }) => path)
    .sort();
const textOf = (found: Found, path: string) => found.leftOut.find((one) => one.path === path)?.text;

describe('C17: junctions and entries', () => {
  test('C17: a junctioned Documents is followed, once, and by its own path', async () => {
    const files = { 'D:\\Docs\\a.pst': '', 'D:\\Docs\\in\\b.pst': '' };
    const junctions = { [ann.documents]: 'D:\\Docs', [`${ann.home}\\My Documents`]: ann.documents };
    const found = await find({ files, junctions });
    expect(stores(found)).toEqual(['D:\\Docs\\a.pst', 'D:\\Docs\\in\\b.pst']);
    expect(found.leftOut).toEqual([]);
  });

  test('C17: loops end, nothing and other people are told', async () => {
    const files = { 'D:\\Docs\\a.pst': '', [`${jan.home}\\Mail\\j.pst`]: '', 'C:\\Windows\\x.pst': '' };
    const junctions = {
      [`${ann.home}\\Docs`]: 'D:\\Docs',
      'D:\\Docs\\up': ann.home,
      'D:\\Docs\\itself': 'D:\\Docs\\itself',
      [`${ann.home}\\gone`]: 'E:\\not there',
      [`${ann.home}\\theirs`]: `${jan.home}\\Mail`,
      [`${ann.home}\\system`]: 'C:\\Windows',
    };
    const found = await find({ files, junctions, keys: [listed(ann), listed(jan)] });
    expect(stores(found)).toEqual(['D:\\Docs\\a.pst']);
    expect(left(found)).toEqual({
      'D:\\Docs\\itself': 'link',
      [`${ann.home}\\gone`]: 'link',
      [`${ann.home}\\theirs`]: 'link',
      [`${ann.home}\\system`]: 'link',
    });
  });

  test('C17: one entry that can not be looked at is told, and hides none of its siblings', async () => {
    const cloud = `${ann.documents}\\in the cloud`;
    const files = { [`${ann.documents}\\a.pst`]: '', [cloud]: '', [`${ann.documents}\\z\\b.pst`]: '' };
    const found = await find({ files, unknown: [cloud] });
    expect(stores(found)).toEqual([`${ann.documents}\\a.pst`, `${ann.documents}\\z\\b.pst`]);
    expect(textOf(found, cloud)).toBe("it can't be looked into (UNKNOWN)");
  });
});

describe('C9: each finder and each user on its own', () => {
  const profile = `${ann.roaming}\\Thunderbird\\Profiles\\a.default`;
  const files = {
    [`${ann.roaming}\\Thunderbird\\profiles.ini`]:
      '[Profile0]\nName=a\nIsRelative=1\nPath=Profiles/a.default\n',
    [`${profile}\\prefs.js`]: `user_pref("mail.server.server1.directory", "${'x'.repeat(15_000_000)}");`,
    [`${profile}\\Mail\\Local Folders\\Inbox`]: '',
    [`${ann.documents}\\a.pst`]: '',
    [`${jan.documents}\\j.pst`]: '',
  };

  test('C9: a line of 15 MB in prefs.js is told, and nothing else is lost', async () => {
    const found = await find({ files, keys: [listed(ann), listed(jan)] });
    expect(stores(found)).toEqual([`${ann.documents}\\a.pst`]);
    expect(paths(found)[`${profile}\\Mail\\Local Folders\\Inbox`]).toBe('thunderbird');
    expect(textOf(found, `${profile}\\prefs.js`)).toMatch(/^it is larger than 4 MiB/);
  });

  test('C9: a user or a finder that fails keeps nobody else from being found', async () => {
    const keys = [listed(ann), listed(jan), { path: ann.key, values: [] }];
    const one = here({ files, keys, home: system });
    for (const broken of [/Thunderbird/, /Microsoft\\Stationery/, /^C:\\Users\\Ann\\AppData$/]) {
      const look = async (path: string) => {
        if (broken.test(path) && path.startsWith(ann.home)) throw new TypeError('a mistake');
        return one.files.look(path);
      };
      const follow = async () => Promise.reject(new TypeError('a mistake'));
      const list = (folder: string) => {
        if (broken.test(folder) && folder.startsWith(ann.home)) throw new TypeError('a mistake');
        return one.files.list(folder);
      };
      const found = await findSources(
        { ...one, files: { ...one.files, look, list, follow } },
        { caches: false },
      );
      expect(stores(found)).toContain(`${jan.documents}\\j.pst`);
      expect(stores(found)).toContain(`${ann.documents}\\a.pst`);
    }
    const read = async (key: string) => {
      if (key.includes(SID) && key.includes('Office')) throw new TypeError('a mistake');
      return one.registry.read(key);
    };
    const children = async (key: string) => {
      if (key.includes(SID)) throw new TypeError('a mistake');
      return one.registry.children(key);
    };
    const found = await findSources(
      { ...one, registry: { ...one.registry, read, children } },
      { caches: false },
    );
    expect(stores(found)).toContain(`${jan.documents}\\j.pst`);
    expect(found.leftOut.some(({ text: said }) => /failed.*a mistake/.test(said))).toBe(true);
  });

  test('C9: what is hostile costs no more than its length', () => {
    const time = (work: () => unknown) => {
      let best = Number.POSITIVE_INFINITY;
      for (let n = 0; n < 5; n++) {
        const began = performance.now();
        work();
        best = Math.min(best, performance.now() - began);
      }
      return best;
    };
    const hostile: ((length: number) => unknown)[] = [
      (n) => profilesOf(`[Profile0]\nPath=a${' '.repeat(n)}b\nName=${'\t'.repeat(n)}`, 'C:\\', win32),
      (n) => profilesOf(`[Profile0]\nPath=${'\r'.repeat(n)}x${'\n'.repeat(n)}`, 'C:\\', win32),
      (n) => profilesOf('[Profile0\n'.repeat(n / 10), 'C:\\', win32),
      (n) => serversOf(`user_pref("mail.server.server1.type", "${'\\'.repeat(n)}`),
      (n) => serversOf('user_pref("mail.server.server1.type", "\n'.repeat(n / 40)),
      (n) => serversOf(`user_pref("mail.server.server${'1'.repeat(n)}`),
    ];
    for (const work of hostile) {
      const [once, tenfold] = [time(() => work(100_000)), time(() => work(1_000_000))];
      // A quadratic one takes a hundred times as long; below 20 ms the clock of a busy machine tells nothing.
      expect(tenfold).toBeLessThan(Math.max(once, 20) * 40);
    }
  });

  test('C9: profiles.ini and prefs.js are read as before', () => {
    const ini =
      '[General]\r\nPath=no\r\n[Profile0]\r\nName=a b \r\nIsRelative=1\r\nPath=Profiles/x y\r\n\r\n[Profile12]\r\nIsRelative=0\r\nPath=D:\\y\r\n[Install1]\r\nPath=no';
    expect(profilesOf(ini, 'C:\\T', win32)).toEqual([
      { name: 'a b', path: 'C:\\T\\Profiles\\x y' },
      { name: 'D:\\y', path: 'D:\\y' },
    ]);
    const prefs = [
      'user_pref("mail.server.server1.type", "imap");',
      'user_pref("mail.server.server1.directory", "C:\\\\a \\"b\\"");',
      'user_pref("mail.server.server2.port", 993);',
      'user_pref("mail.server.server2.spam.level", "x");',
      '// user_pref("mail.server.server3.type", "pop3");',
    ].join('\r\n');
    expect([...serversOf(prefs)].map(([name, values]) => [name, Object.fromEntries(values)])).toEqual([
      ['server1', { type: 'imap', directory: 'C:\\a "b"' }],
    ]);
  });
});

test('C11: nicknames of Outlook 2000', async () => {
  const nick = `${ann.roaming}\\Microsoft\\Outlook\\MS Exchange Settings.NICK`;
  expect((await find({ files: { [nick]: '' } })).items).toMatchObject([
    { path: nick, kind: 'nk2', take: 'nicknames' },
  ]);
});

describe('C19: profiles that are not what they seem', () => {
  const bak = (user: typeof ann, home: string): RegKey => ({
    path: `${LIST}\\${user.key.slice('HKEY_USERS\\'.length)}.bak`,
    values: [expand('ProfileImagePath', home)],
  });
  const files = { [`${ann.documents}\\a.pst`]: '', 'C:\\Users\\TEMP\\Documents\\t.pst': '' };
  const keys = [listed({ ...ann, home: 'C:\\Users\\TEMP' }), bak(ann, ann.home)];

  test('C19: behind a temporary profile is the real one, for the user and for LocalSystem', async () => {
    for (const home of ['C:\\Users\\TEMP', system]) {
      const found = await find({ files, keys, home });
      expect(stores(found)).toEqual([
        'C:\\Users\\Ann\\Documents\\a.pst',
        'C:\\Users\\TEMP\\Documents\\t.pst',
      ]);
      expect(found.items.find(({ path }) => path.endsWith('a.pst'))?.owner).toBe('Ann');
    }
    const alone = await find({
      files: { [`${ann.documents}\\a.pst`]: '' },
      keys: [bak(ann, ann.home)],
      home: system,
    });
    expect(stores(alone)).toEqual([`${ann.documents}\\a.pst`]);
  });

  test('C19: a row without a folder is no alarm', async () => {
    const found = await find({
      files: { [`${ann.documents}\\a.pst`]: '' },
      keys: [listed(ann), listed(jan)],
      home: system,
    });
    expect(stores(found)).toEqual([`${ann.documents}\\a.pst`]);
    expect(found.leftOut.filter(({ path }) => path.includes('Jan'))).toEqual([]);
  });

  test('C19: NTUSER.MAN of a mandatory profile is read', async () => {
    const opened = 'E:\\Mail\\opened.pst';
    const profile = 'HKEY_USERS\\HIVE\\Software\\Microsoft\\Office\\16.0\\Outlook\\Profiles\\p';
    const hive = regFile([{ path: `${profile}\\1`, values: [mapi('001f6700', opened)] }]);
    const one = here({ files: { [`${ann.home}\\NTUSER.MAN`]: '', [opened]: '' }, home: system });
    const asked: string[] = [];
    const withHiveCopy = async <T>(path: string, use: (copy: string) => Promise<T>) => {
      asked.push(path);
      const copy = join(tempDir(), 'NTUSER.DAT');
      writeFileSync(copy, hive);
      return use(copy);
    };
    const hives = machine(
      { files: {}, keys: [listed(ann)], found: {}, leftOut: {} },
      { home: system, hives: new Map([['x', hive]]) },
    );
    const found = await findSources({ ...one, registry: hives.registry, withHiveCopy }, { caches: false });
    expect(asked).toEqual([`${ann.home}\\NTUSER.MAN`]);
    expect(stores(found)).toEqual([opened]);
  });
});

describe('C20: variables in the registry', () => {
  const forced = (folder: string): RegKey => ({
    path: `${ann.key}\\Software\\Policies\\Microsoft\\Office\\16.0\\Outlook`,
    values: [expand('ForcePSTPath', folder)],
  });
  const ENVIRONMENT = 'HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment';
  const values: RegKey[] = [
    { path: ENVIRONMENT, values: [expand('MAILROOT', '%SystemDrive%\\Mail'), text('Site', 'Kraków')] },
    { path: `${ann.key}\\Environment`, values: [expand('MYMAIL', '%MAILROOT%\\%Site%\\mine')] },
    { path: `${ann.key}\\Volatile Environment`, values: [text('HOMESHARE', 'H:\\share')] },
    { path: `${ann.key}\\Volatile Environment\\1`, values: [text('SESSIONNAME', 'Console')] },
    { path: `${ann.key}\\Environment2`, values: [text('NOT', 'x')] },
  ];

  test.each([
    ['%PUBLIC%\\Mail', 'C:\\Users\\Public\\Mail'],
    ['D:\\%COMPUTERNAME%', 'D:\\PC-7'],
    ['%HOMESHARE%\\Mail', 'H:\\share\\Mail'],
    ['%MyMail%', 'C:\\Mail\\Kraków\\mine'],
    ['%UserProfile%\\..\\Elsewhere', 'C:\\Users\\Elsewhere'],
    ['D:\\%SessionName%\\100%', 'D:\\Console\\100%'],
  ])('C20: %s', async (place, real) => {
    const env = { PUBLIC: 'C:\\Users\\Public', COMPUTERNAME: 'PC-7' };
    const store = `${real}\\a.pst`;
    for (const home of [ann.home, system]) {
      const keys = [listed(ann), ...values, forced(place), { path: ann.key, values: [] }];
      const found = await find({ files: { [store]: '', [`${ann.home}\\x`]: '' }, keys, env, home });
      expect(stores(found)).toEqual([store]);
      expect(found.leftOut.filter(({ why }) => why === 'unreadable')).toEqual([]);
    }
  });

  test('C20: what has no value, or has itself for a value, is told', async () => {
    const circle = { path: `${ann.key}\\Environment`, values: [text('A', '%B%'), text('B', '%A%%A%')] };
    const shell = {
      path: `${ann.key}\\Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\User Shell Folders`,
      values: [expand('Personal', '%NOWHERE%\\Docs')],
    };
    const found = await find({ files: {}, keys: [listed(ann), circle, shell, forced('%A%\\x')] });
    expect(left(found)).toEqual({ '%NOWHERE%\\Docs': 'unreadable', '%A%\\x': 'unreadable' });
    expect(textOf(found, '%A%\\x')).toMatch(/^ForcePSTPath names this folder by a variable/);
  });
});

describe('C21: where no profile leads', () => {
  test('C21: Thunderbird from the Store', async () => {
    const roaming = `${ann.local}\\Packages\\MozillaThunderbird.MZLA_h5892qc0xkpca\\LocalCache\\Roaming\\Thunderbird`;
    const inbox = `${roaming}\\Profiles\\a\\Mail\\Local Folders\\Inbox`;
    const files = {
      [`${roaming}\\profiles.ini`]: '[Profile0]\nIsRelative=1\nPath=Profiles/a\n',
      [inbox]: '',
      [`${ann.local}\\Packages\\Other\\LocalCache\\Roaming\\Thunderbird\\profiles.ini`]: '',
    };
    const found = await find({ files });
    expect(paths(found)[inbox]).toBe('thunderbird');
    expect(found.items).toHaveLength(2);
  });

  test('C21: the roaming folder, the public one, homes without a profile and Windows.old', async () => {
    const files = {
      [`${ann.roaming}\\Some Program\\r.pst`]: '',
      'C:\\Users\\Public\\Documents\\p.pst': '',
      'C:\\Users\\Gone\\AppData\\Local\\Microsoft\\Outlook\\o.pst': '',
      'C:\\Users\\Gone\\AppData\\Local\\Temp\\no.pst': '',
      'C:\\Windows.old\\Users\\Ann\\Documents\\w.pst': '',
      'C:\\Users\\Default\\d.pst': '',
      [`${jan.documents}\\j.pst`]: '',
    };
    const all = [
      'C:\\Users\\Gone\\AppData\\Local\\Microsoft\\Outlook\\o.pst',
      'C:\\Users\\Public\\Documents\\p.pst',
      'C:\\Windows.old\\Users\\Ann\\Documents\\w.pst',
      `${ann.roaming}\\Some Program\\r.pst`,
    ];
    const keys = [listed(ann), listed(jan)];
    expect(stores(await find({ files, keys }))).toEqual(all.sort());
    const found = await find({ files, keys, home: system });
    expect(stores(found)).toEqual([...all, `${jan.documents}\\j.pst`].sort());
    expect(found.items.find(({ path }) => path.endsWith('o.pst'))?.owner).toBe('Gone');
  });

  test('C21: fixed volumes where it is asked for, and no stick, no share, no disc', async () => {
    const device = (letter: string, data: Buffer) => ({ name: `\\DosDevices\\${letter}:`, type: 3, data });
    const keys: RegKey[] = [
      listed(ann),
      {
        path: 'HKEY_LOCAL_MACHINE\\SYSTEM\\MountedDevices',
        values: [
          device('C', Buffer.from(`DMIO:ID:${'g'.repeat(16)}`, 'latin1')),
          device('D', Buffer.alloc(12, 1)),
          device('E', Buffer.from('_??_USBSTOR#Disk&Ven_x', 'utf16le')),
        ],
      },
    ];
    const files = {
      'D:\\Archive\\old.PST': '',
      'E:\\stick.pst': '',
      'C:\\Data\\c.pst': '',
      'C:\\Windows\\w.pst': '',
      'D:\\$RECYCLE.BIN\\x.pst': '',
      'Z:\\share.pst': '',
    };
    expect(stores(await find({ files, keys }))).toEqual([]);
    const found = await find({ files, keys, closed: ['D:\\Closed'] }, { searchAll: true });
    expect(stores(found)).toEqual(['C:\\Data\\c.pst', 'D:\\Archive\\old.PST']);
  });
});

test('C5: a file for a finder that is no regular one, or too large, is an error and never waited for', async () => {
  const folder = tempDir();
  writeFileSync(join(folder, 'large'), 'x'.repeat(101));
  await expect(nodeFiles.readText(join(folder, 'large'), 100)).rejects.toMatchObject({ code: 'EFBIG' });
  await expect(nodeFiles.readText(folder, 100)).rejects.toMatchObject({ code: 'ENOTFILE' });
  expect(await nodeFiles.readText(join(folder, 'none'), 100)).toBeNull();
});
