// Settings: which place wins, what is refused and how it is told, and that policy, template and schema name the same things.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { REG_DWORD, REG_MULTI_SZ, REG_SZ, type RegKey } from '../../../client/registry/reg-file.ts';
import { loadSettings, settingsFiles } from '../../../client/settings/load-settings.ts';
import { environmentPlace, NAMES, POLICY_KEY, policyPlace } from '../../../client/settings/names.ts';
import { resolveSettings, SETTING_NAMES } from '../../../client/settings/settings.ts';
import { PROGRAM, start } from '../../support/mailferry.ts';
import { tempDir } from '../../support/temp-dir.ts';

const place = (where: string, values: Record<string, unknown>) => ({ where, values });

test('without a place there are the defaults, and they say so', () => {
  const { settings, origins } = resolveSettings([]);
  expect(settings).toMatchObject({
    everyMinutes: 15,
    minimumMinutes: 5,
    snapshot: 'require',
    caches: false,
    paths: [],
  });
  expect(settings.server).toBeUndefined();
  expect(origins.everyMinutes).toBe('default');
  expect(origins.server).toBeUndefined();
});

test('the first place wins, setting by setting', () => {
  const { settings, origins } = resolveSettings([
    place('policy', { everyMinutes: 30 }),
    place('flags', { everyMinutes: 20, snapshot: 'live' }),
    place('file', { everyMinutes: 10, snapshot: 'prefer', caches: true }),
  ]);
  expect(settings).toMatchObject({ everyMinutes: 30, snapshot: 'live', caches: true });
  expect(origins).toMatchObject({
    everyMinutes: 'policy',
    snapshot: 'flags',
    caches: 'file',
    minimumMinutes: 'default',
  });
});

test.each([
  [{ everyMinutes: 0 }, 'everyMinutes must be a whole number of minutes from 1 to 1440'],
  [{ everyMinutes: '15' }, 'everyMinutes must be a whole number of minutes from 1 to 1440'],
  [{ minimumMinutes: 1.5 }, 'minimumMinutes must be a whole number of minutes from 0 to 1440'],
  [{ snapshot: 'maybe' }, 'snapshot must be require, prefer, never, vss, btrfs or live'],
  [{ server: 'ftp://x' }, 'server must be the address of a server (http or https)'],
  [{ stagingMegabytes: 1 }, 'stagingMegabytes must be a whole number from 64 on'],
  [{ paths: 'C:\\mail' }, 'paths must be a list of paths'],
  [{ paths: [''] }, 'paths.0 must not hold an empty path'],
  [{ caches: 'yes' }, 'caches must be true or false'],
  [{ allowHttp: 'no' }, 'allowHttp must be true or false'],
  [{ exclude: '*.ost' }, 'exclude must be a list of patterns'],
  [{ exclude: [''] }, 'exclude.0 must not hold an empty pattern'],
  [{ protectedDays: 0 }, 'protectedDays must be a whole number of days from 1 to 3650'],
  [{ goneDays: -1 }, 'goneDays must be a whole number of days from 0 to 3650'],
  [{ networkStores: true }, 'networkStores must be off or live'],
  [{ caFile: 'ca.pem' }, 'caFile must be the absolute path of a file'],
  [{ caFile: 1 }, 'caFile must be the absolute path of a file'],
  [{ proxy: 'socks5://u:p@h:1' }, 'proxy must be the address of an HTTP proxy (http://host:port) or none'],
  [{ evryMinutes: 15 }, 'there is no setting evryMinutes'],
])('%j is refused', (values, mistake) => {
  expect(() => resolveSettings([place('settings.json', values)])).toThrow(
    expect.objectContaining({
      code: 'settings_invalid',
      message: `Settings are wrong in settings.json: ${mistake}.`,
    }),
  );
});

test('all mistakes are told at once, each with its place', () => {
  const wrong = () => resolveSettings([place('A', { everyMinutes: -1, snapshot: 3 }), place('B', { x: 1 })]);
  expect(wrong).toThrow(/ A: everyMinutes .*, snapshot .*; B: there is no setting x\.$/);
});

test('a wrong value is refused even where another place wins', () => {
  expect(() => resolveSettings([place('A', { everyMinutes: 5 }), place('B', { everyMinutes: -5 })])).toThrow(
    /B: /,
  );
});

describe('the environment', () => {
  test('is read by kind', () => {
    const env = {
      MAILFERRY_EVERY_MINUTES: '20',
      MAILFERRY_CACHES: '1',
      MAILFERRY_PATHS: '/a:/b c',
      MAILFERRY_SNAPSHOT: '',
      MAILFERRY_EXCLUDE: '*.ost:~/Old/**',
    };
    expect(environmentPlace(env).values).toEqual({
      everyMinutes: 20,
      caches: true,
      paths: ['/a', '/b c'],
      exclude: ['*.ost', '~/Old/**'],
    });
  });
  test('what is no number stays what it is, and is refused', () => {
    expect(() => resolveSettings([environmentPlace({ MAILFERRY_EVERY_MINUTES: '1e1' })])).toThrow(
      /everyMinutes/,
    );
  });
});

describe('the policy of the machine', () => {
  const dword = (name: string, number: number) => {
    const data = Buffer.alloc(4);
    data.writeUInt32LE(number);
    return { name, type: REG_DWORD, data };
  };
  const words = (name: string, type: number, text: string) => ({
    name,
    type,
    data: Buffer.from(text, 'utf16le'),
  });
  const key: RegKey = {
    path: POLICY_KEY,
    values: [
      words('server', REG_SZ, 'https://backup.example.org\0'),
      dword('EveryMinutes', 60),
      dword('Caches', 1),
      words('Paths', REG_MULTI_SZ, 'C:\\Zażółć\0D:\\邮件\0\0'),
      words('Exclude', REG_MULTI_SZ, '*.ost\0D:\\Alt\\**\0\0'),
      words('NetworkStores', REG_SZ, 'live\0'),
      words('SomebodyElses', REG_SZ, 'x\0'),
    ],
  };

  test('is read by kind, in any case; what is not ours is left out', () => {
    expect(policyPlace([key])).toEqual({
      where: POLICY_KEY,
      values: {
        server: 'https://backup.example.org',
        everyMinutes: 60,
        caches: true,
        paths: ['C:\\Zażółć', 'D:\\邮件'],
        exclude: ['*.ost', 'D:\\Alt\\**'],
        networkStores: 'live',
      },
    });
  });
  test('none is none', () => {
    expect(policyPlace(null).values).toEqual({});
  });
  test('a number where a text belongs is refused', () => {
    const values = [dword('Snapshot', 1)];
    expect(() => resolveSettings([policyPlace([{ path: POLICY_KEY, values }])])).toThrow(/snapshot/);
  });
});

describe('C23: variables of Windows', () => {
  const env = {
    USERPROFILE: 'C:\\Users\\jürgen',
    'ProgramFiles(x86)': 'C:\\Program Files (x86)',
    Odd: '%USERPROFILE%',
    Empty: '',
  };
  const paths = (...texts: string[]) => resolveSettings([place('P', { paths: texts })], env).settings.paths;

  test.each([
    ['%USERPROFILE%\\Büro', 'C:\\Users\\jürgen\\Büro'],
    ['%UserProfile%\\a%20b', 'C:\\Users\\jürgen\\a%20b'],
    ['%programfiles(X86)%\\x', 'C:\\Program Files (x86)\\x'],
    ['D:\\%Odd%', 'D:\\%USERPROFILE%'],
    ['D:\\50%\\mail\\20%', 'D:\\50%\\mail\\20%'],
    ['D:\\100%%', 'D:\\100%%'],
  ])('%s is %s', (text, path) => {
    expect(paths(text)).toEqual([path]);
    expect(resolveSettings([place('P', { exclude: [text] })], env).settings.exclude).toEqual([path]);
  });

  test('what has no value is named with its place, all at once', () => {
    const wrong = () =>
      resolveSettings(
        [
          place('policy', { paths: ['D:\\ok', '%NOWHERE%\\a'], exclude: ['%Empty%\\**'] }),
          place('file', { paths: ['%OTHER%'] }),
        ],
        env,
      );
    expect(wrong).toThrow(/policy: .*paths\.1 names %NOWHERE%, which has no value/);
    expect(wrong).toThrow(/policy: .*exclude\.0 names %Empty%/);
    expect(wrong).toThrow(/file: paths\.0 names %OTHER%/);
  });

  test.each(['C:\\Windows\\system32\\config\\systemprofile', 'C:\\Windows\\ServiceProfiles\\LocalService'])(
    'a service with the home %s has no variables of a user',
    (home) => {
      const service = { USERPROFILE: home, ProgramData: 'C:\\ProgramData' };
      const of = (text: string) => () => resolveSettings([place('P', { paths: [text] })], service);
      expect(of('%userprofile%\\Mail')).toThrow(/paths\.0 names %userprofile%/);
      expect(of('%ProgramData%\\Mail')().settings.paths).toEqual(['C:\\ProgramData\\Mail']);
    },
  );

  test('elsewhere a % is a letter', () => {
    expect(resolveSettings([place('P', { paths: ['/a/%HOME%'] })]).settings.paths).toEqual(['/a/%HOME%']);
  });
});

describe('C23: a file in another encoding', () => {
  const text = '{ "paths": ["%ROOM%\\\\Büro"] }';
  const load = (bytes: Uint8Array) => {
    const path = join(tempDir(), 'settings.json');
    writeFileSync(path, bytes);
    return loadSettings({ platform: 'linux', env: { MAILFERRY_SETTINGS: path }, home: '/' });
  };
  const utf16 = Buffer.from(text, 'utf16le');
  const be = Buffer.from(utf16).swap16();

  test.each<[string, Uint8Array]>([
    ['CP1252', Buffer.from(text, 'latin1')],
    ['UTF-16LE with a mark', Buffer.concat([Buffer.from([0xff, 0xfe]), utf16])],
    ['UTF-16LE without one', utf16],
    ['UTF-16BE with a mark', Buffer.concat([Buffer.from([0xfe, 0xff]), be])],
    ['UTF-16BE without one', be],
    ['UTF-16LE of ASCII alone', Buffer.from('{ "everyMinutes": 7 }', 'utf16le')],
    ['UTF-8 that is cut', Buffer.from(text).subarray(0, text.indexOf('ü') + 1)],
  ])('%s is refused in one sentence', async (_, bytes) => {
    await expect(load(bytes)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringMatching(
        /^[^\n\0]+settings\.json is not UTF-8[^\n\0]*: save it as UTF-8, [^\n\0]+\.$/,
      ),
    });
  });

  test.each(['', '\uFEFF'])('UTF-8 is read, with the mark %j', async (mark) => {
    const { settings } = await load(Buffer.from(mark + text));
    expect(settings.paths).toEqual(['%ROOM%\\Büro']);
  });
});

describe('the Group Policy template', () => {
  const folder = new URL('../../../client/windows/policy/', import.meta.url);
  const admx = readFileSync(fileURLToPath(new URL('mailferry.admx', folder)), 'utf8');
  const adml = readFileSync(fileURLToPath(new URL('en-US/mailferry.adml', folder)), 'utf8');
  const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map((found) => found[1]!);

  test('has every setting, under its name, for the machine, in our key, and no other', () => {
    const names = SETTING_NAMES.map((name) => NAMES[name].policy);
    expect(all(admx, /<policy name="(\w+)"/g)).toEqual(names);
    expect(new Set(all(admx, /valueName="(\w+)"/g))).toEqual(new Set(names));
    expect(new Set(all(admx, /class="(\w+)"/g))).toEqual(new Set(['Machine']));
    expect(new Set(all(admx, /key="([^"]+)"/g))).toEqual(new Set(['SOFTWARE\\Policies\\Mailferry']));
  });
  test('every text it uses is there, and none is left over', () => {
    const used = new Set(all(admx, /\$\(string\.(\w+)\)/g));
    expect(new Set(all(adml, /<string id="(\w+)"/g))).toEqual(used);
    expect(new Set(all(adml, /<presentation id="(\w+)"/g))).toEqual(
      new Set(all(admx, /\$\(presentation\.(\w+)\)/g)),
    );
  });
  test('the bounds are those of the settings', () => {
    const bounds = all(admx, /<decimal id="\w+" (valueName="\w+" required="true" minValue="\d+") maxValue/g);
    expect(bounds).toEqual([
      'valueName="EveryMinutes" required="true" minValue="1"',
      'valueName="MinimumMinutes" required="true" minValue="0"',
      'valueName="StagingMegabytes" required="true" minValue="64"',
      'valueName="ProtectedDays" required="true" minValue="1"',
      'valueName="GoneDays" required="true" minValue="0"',
    ]);
  });
});

test('files: %ProgramData% on Windows, /etc under the own one elsewhere, or the one that is named', () => {
  expect(settingsFiles({ platform: 'win32', env: { ProgramData: 'D:\\Data' }, home: 'x' })).toEqual([
    { path: 'D:\\Data\\Mailferry\\settings.json', named: false },
  ]);
  expect(settingsFiles({ platform: 'linux', env: {}, home: '/home/a' }).map(({ path }) => path)).toEqual([
    '/home/a/.config/mailferry/settings.json',
    '/etc/mailferry/settings.json',
  ]);
  expect(settingsFiles({ platform: 'linux', env: { MAILFERRY_SETTINGS: '/s' }, home: '/' })).toEqual([
    { path: '/s', named: true },
  ]);
});

describe('the program', () => {
  const settings = (file: string, env: NodeJS.ProcessEnv = {}) =>
    start(process.execPath, [PROGRAM, 'settings', '--json'], { MAILFERRY_SETTINGS: file, ...env }).ended;

  test('shows what holds, where it comes from, and no secret', async () => {
    const file = join(tempDir(), 'settings.json');
    writeFileSync(file, '\uFEFF{ "everyMinutes": 7, "enrolmentToken": "s3cret" }');
    const shown = await settings(file, { MAILFERRY_SNAPSHOT: 'live' });
    expect(shown.code).toBe(0);
    expect(shown.stdout).not.toContain('s3cret');
    expect(shown.json.settings).toContainEqual({ name: 'everyMinutes', value: 7, from: file });
    expect(shown.json.settings).toContainEqual({ name: 'snapshot', value: 'live', from: 'the environment' });
    expect(shown.json.settings).toContainEqual({ name: 'caches', value: false, from: 'default' });
  });

  test.each([
    ['no JSON', '{', /is not a JSON object/],
    ['no object', '[]', /is not a JSON object/],
    ['a typing mistake', '{"everyMinute":1}', /there is no setting everyMinute\./],
  ])('refuses a file with %s in one sentence', async (_, text, sentence) => {
    const file = join(tempDir(), 'settings.json');
    writeFileSync(file, text);
    const refused = await settings(file);
    expect(refused).toMatchObject({ code: 2, json: { error: { code: 'settings_invalid' } } });
    expect(refused.json.error.message).toMatch(sentence);
  });

  test('refuses a file that was named and is not there', async () => {
    expect(await settings('/nowhere/settings.json')).toMatchObject({ code: 2 });
  });

  test('a bad setting stops a backup before anything is written', async () => {
    const state = join(tempDir(), 'state');
    const ended = await start(process.execPath, [PROGRAM, 'backup', '--state', state, '--json'], {
      MAILFERRY_EVERY_MINUTES: '0',
    }).ended;
    expect(ended).toMatchObject({ code: 2, json: { error: { code: 'settings_invalid' } } });
  });
});
