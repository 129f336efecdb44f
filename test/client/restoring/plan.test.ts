// Where things go on another machine, and what a restore decides: tables, without a disk.
import { posix, win32 } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Here, ownerOf, placeHere } from '../../../client/restoring/place.ts';
import { ofOneUser, planRestore, type There } from '../../../client/restoring/plan.ts';
import type { SourceKind, VersionSummary } from '../../../shared/protocol.ts';

const here: Here = {
  path: win32,
  signatures: 'Signatures',
  isOwn: (path) => path === 'D:\\Poczta\\żółta.pst' || path.startsWith('HKEY_'),
  user: {
    name: 'Nowak',
    sid: 'S-1-5-21-1-2-3-1001',
    home: 'C:\\Users\\Nowak',
    roaming: 'R:\\Roaming',
    local: 'C:\\Users\\Nowak\\AppData\\Local',
    documents: 'D:\\OneDrive\\Dokumenty',
  },
};

let made = 0;
function version(path: string, kind: SourceKind, more: Partial<VersionSummary> = {}): VersionSummary {
  made++;
  return {
    id: `0199a0e0-7b1c-4000-8000-${String(made).padStart(12, '0')}`,
    sequence: made,
    path,
    kind,
    size: 1,
    mtime: '2026-11-24T08:00:00.000Z',
    takenAt: '2026-11-24T08:00:00.000Z',
    receivedAt: '2026-11-24T08:00:00.000Z',
    sha256: null,
    root: '0'.repeat(64),
    complete: true,
    snapshot: 'vss',
    health: 'clean',
    healthNotes: [],
    receipt: { statement: '{}', signature: '' },
    ...more,
  };
}

describe('the place of', () => {
  const roaming = 'C:\\Users\\Jan 王\\AppData\\Roaming';
  test.each<[SourceKind, string, string | null]>([
    [
      'outlook-settings',
      `${roaming}\\Microsoft\\Podpisy\\Służbowy_pliki\\logo 📬.png`,
      'R:\\Roaming\\Microsoft\\Signatures\\Służbowy_pliki\\logo 📬.png',
    ],
    [
      'outlook-settings',
      `${roaming}\\Microsoft\\Signatures\\a.htm`,
      'R:\\Roaming\\Microsoft\\Signatures\\a.htm',
    ],
    [
      'outlook-settings',
      `\\\\srv\\profile$\\jan\\Microsoft\\Outlook\\VbaProject.OTM`,
      'R:\\Roaming\\Microsoft\\Outlook\\VbaProject.OTM',
    ],
    [
      'outlook-settings',
      'C:\\Documents and Settings\\jan\\Application Data\\Microsoft\\Proof\\CUSTOM.DIC',
      'R:\\Roaming\\Microsoft\\Proof\\CUSTOM.DIC',
    ],
    [
      'outlook-settings',
      `${roaming}\\Microsoft\\Stationery\\deep\\er\\x.jpg`,
      'R:\\Roaming\\Microsoft\\Stationery\\deep\\er\\x.jpg',
    ],
    [
      'outlook-settings',
      'C:\\Users\\jan\\AppData\\Local\\Microsoft\\Office\\olkexplorer.officeUI',
      'C:\\Users\\Nowak\\AppData\\Local\\Microsoft\\Office\\olkexplorer.officeUI',
    ],
    ['outlook-settings', 'E:\\Dokumenty\\reguły.rwz', 'D:\\OneDrive\\Dokumenty\\reguły.rwz'],
    ['nk2', `${roaming}\\Microsoft\\Outlook\\Praca.NK2`, 'R:\\Roaming\\Microsoft\\Outlook\\Praca.NK2'],
    ['outlook-settings', 'C:\\somewhere\\else.dat', null],
    [
      'pst',
      'C:\\Users\\jan\\Documents\\Outlook Files\\a.pst',
      'D:\\OneDrive\\Dokumenty\\Outlook Files\\a.pst',
    ],
    [
      'pst',
      'C:\\Users\\jan\\AppData\\Local\\Microsoft\\Outlook\\a.pst',
      'C:\\Users\\Nowak\\AppData\\Local\\Microsoft\\Outlook\\a.pst',
    ],
    [
      'pst',
      'C:\\Documents and Settings\\jan\\Local Settings\\Application Data\\Microsoft\\Outlook\\a.pst',
      'C:\\Users\\Nowak\\AppData\\Local\\Microsoft\\Outlook\\a.pst',
    ],
    ['pst', 'C:\\Users\\jan\\Desktop\\a.pst', 'C:\\Users\\Nowak\\Desktop\\a.pst'],
    ['pst', 'D:\\Poczta\\żółta.pst', 'D:\\Poczta\\żółta.pst'],
    [
      'mail-client',
      `${roaming}\\Thunderbird\\Profiles\\x\\Mail\\Local Folders\\Inbox`,
      'R:\\Roaming\\Thunderbird\\Profiles\\x\\Mail\\Local Folders\\Inbox',
    ],
  ])('%s %s', (kind, path, to) => {
    const place = placeHere({ kind, path }, here);
    expect('to' in place ? place.to : null).toBe(to);
  });

  test('a translated signature folder here', () => {
    const path = `${roaming}\\Microsoft\\Signatures\\a.htm`;
    const place = placeHere({ kind: 'outlook-settings', path }, { ...here, signatures: 'Podpisy' });
    expect(place).toMatchObject({ to: 'R:\\Roaming\\Microsoft\\Podpisy\\a.htm' });
  });

  test.each([
    ['H:\\', 'h:\\Poczta\\a.pst', 'H:\\Poczta\\a.pst'],
    ['\\\\srv\\home\\jan\\', '\\\\srv\\home\\Jan\\a.pst', '\\\\srv\\home\\jan\\a.pst'],
    ['E:\\Jan', 'E:\\Jan 2\\a.pst', null],
  ])('a folder of documents %s: %s', (documents, path, to) => {
    const place = placeHere({ kind: 'pst', path }, { ...here, user: { ...here.user, documents } });
    expect('to' in place ? place.to : null).toBe(to);
  });

  test('a root of all there is makes nothing theirs', () => {
    const user = { ...here.user, home: '/', roaming: '/', local: '/', documents: '/' };
    const place = placeHere({ kind: 'pst', path: '/etc/cron.d/a' }, { ...here, path: posix, user });
    expect(place).toEqual({ refused: expect.any(String) });
  });

  test('outside of them: what to do, but for a database that would come without its log', async () => {
    const [store, database] = await plan([
      version('D:\\a.pst', 'pst'),
      version('D:\\mail.dat', 'mail-client'),
    ]);
    expect(store!.note).toContain('name its path alone');
    expect(database!.note).not.toContain('alone');
    expect(database!.note).toContain('--to');
  });

  test('a profile of another home folder on Linux', () => {
    const user = { ...here.user, home: '/home/nowak', roaming: '/home/nowak', local: '/home/nowak' };
    const path = '/home/jan/.thunderbird/x/prefs.js';
    expect(placeHere({ kind: 'mail-client', path }, { ...here, path: posix, user })).toEqual({
      to: '/home/nowak/.thunderbird/x/prefs.js',
    });
  });
});

describe('a place that a server names is refused where it is', () => {
  const jan = 'C:\\Users\\jan';
  test.each<[string, SourceKind, string]>([
    ['above the home folder', 'pst', `${jan}\\..\\..\\Windows\\a.pst`],
    ['above it by other separators', 'mail-client', `${jan}\\Documents/../../../Windows/a`],
    ['above the signatures', 'outlook-settings', `${jan}\\Microsoft\\Signatures\\..\\..\\a.bat`],
    ['above the stationery', 'outlook-settings', `${jan}\\Microsoft\\Stationery\\..\\..\\..\\a.exe`],
    ['a stream of a file', 'pst', `${jan}\\Desktop\\a.pst:evil`],
    ['a stream of a setting', 'outlook-settings', `${jan}\\Microsoft\\Outlook\\a.xml:b.xml`],
    ['a device', 'mail-client', `${jan}\\Desktop\\NUL`],
    ['a device with an ending', 'outlook-settings', `${jan}\\Microsoft\\Signatures\\com1.htm`],
    ['a folder that is a device', 'mail-client', `${jan}\\CON\\a`],
    ['another name by a dot', 'pst', `${jan}\\Desktop\\a.pst.`],
    ['another name by a space', 'pst', `${jan}\\Desktop \\a.pst`],
    ['no name', 'mail-client', `${jan}\\Desktop\\\\a`],
    ['a control character', 'mail-client', `${jan}\\Desktop\\a\nb`],
    ['a pattern', 'mail-client', `${jan}\\Desktop\\*`],
    ['past the rules of names', 'pst', '\\\\?\\C:\\Windows\\a.pst'],
    ['a raw device', 'file', '\\\\.\\PhysicalDrive0'],
    ['on another machine', 'pst', '\\\\host\\share\\a.pst'],
    ['in a folder of the system', 'pst', 'C:\\Windows\\a.pst'],
    ['in the folder it happens to run in', 'file', 'a.pst'],
    ['above that', 'file', '..\\a'],
    ['of another system', 'file', '/home/jan/a'],
    ['a registry key as a file', 'pst', 'HKEY_USERS\\S-1-5-21-1-2-3-1001\\Software\\Classes'],
    ['a file as a registry key', 'mapi-profiles', `${jan}\\Desktop\\a.bat`],
  ])('%s', async (_, kind, path) => {
    expect(placeHere({ kind, path }, here)).toEqual({ refused: expect.stringMatching(/^[^\n]+\.$/) });
    const [only] = await plan([version(path, kind)]);
    expect(only).toMatchObject({ action: 'refused', to: null });
    expect(only!.note).toContain('--to');
  });

  const onLinux = { ...here, path: posix, user: { ...here.user, home: '/home/nowak' } };
  test.each([
    '/home/jan/../../etc/cron.d/a',
    '/home/jan/a/../b',
    '/home/jan/.',
    '/home/jan/a//b',
    '/home/jan/a\0b',
    '/home/nowak/../root/a',
    '/etc/cron.d/a',
    'a',
    '../a',
    'C:\\Users\\jan\\a',
  ])('on Linux: %j', (path) => {
    expect(placeHere({ kind: 'file', path }, onLinux)).toEqual({ refused: expect.any(String) });
  });

  test.each(['a:b', 'CON', 'a\nb', 'a\\..\\b', 'a.', '...', 'evil\u202egpj.exe'])(
    'but not for what is a name on Linux: %j',
    (name) => {
      for (const home of ['/home/jan', '/home/nowak'])
        expect(placeHere({ kind: 'file', path: `${home}/x/${name}` }, onLinux)).toEqual({
          to: `/home/nowak/x/${name}`,
        });
    },
  );

  test('a letter that is longer in lower case moves nothing', () => {
    const path = 'C:\\İİİ\\Microsoft\\Stationery\\a\\x.jpg';
    expect(placeHere({ kind: 'outlook-settings', path }, here)).toMatchObject({
      to: 'R:\\Roaming\\Microsoft\\Stationery\\a\\x.jpg',
    });
  });
});

test.each([
  ['C:\\Users\\Jan 王\\a.pst', 'Jan 王'],
  ['c:\\documents and settings\\jan\\a.pst', 'jan'],
  ['/home/jan/a.pst', 'jan'],
  ['HKEY_USERS\\S-1-5-21-1-2-3-1001\\Software\\x', 'S-1-5-21-1-2-3-1001'],
  ['HKEY_CURRENT_USER\\Software\\x', null],
  ['D:\\Poczta\\a.pst', null],
])('%s is of %s', (path, owner) => {
  expect(ownerOf(path)).toBe(owner);
});

const plan = (
  versions: VersionSummary[],
  more: { overwrite?: boolean; into?: string; there?: Record<string, There>; streams?: string[] } = {},
) =>
  planRestore(versions, {
    here,
    into: more.into ?? null,
    overwrite: more.overwrite ?? false,
    look: async (to) => more.there?.[to] ?? 'nothing',
    streams: more.streams ?? [],
  });

const pst = 'C:\\Users\\jan\\Desktop\\a.pst';
const toPst = 'C:\\Users\\Nowak\\Desktop\\a.pst';
const besidePst = 'C:\\Users\\Nowak\\Desktop\\a (2026-11-24 0800).pst';
const sign = 'C:\\Users\\jan\\AppData\\Roaming\\Microsoft\\Signatures\\a.htm';
const toSign = 'R:\\Roaming\\Microsoft\\Signatures\\a.htm';
const vba = 'C:\\Users\\jan\\AppData\\Roaming\\Microsoft\\Outlook\\VbaProject.OTM';
const cache = 'C:\\Users\\Nowak\\AppData\\Local\\Microsoft\\Outlook\\RoamCache';
const stream =
  'C:\\Users\\jan\\AppData\\Local\\Microsoft\\Outlook\\RoamCache\\Stream_Autocomplete_0_AAAA.dat';

describe('a restore decides', () => {
  test.each<[string, SourceKind, string, Parameters<typeof plan>[1], object]>([
    ['a free place', 'pst', pst, {}, { action: 'write', to: toPst, closed: false }],
    [
      'a PST whose place is taken goes beside it',
      'pst',
      pst,
      { there: { [toPst]: 'other' } },
      { action: 'beside', to: besidePst },
    ],
    [
      'a PST that is there already',
      'pst',
      pst,
      { there: { [toPst]: 'same' } },
      { action: 'same', to: toPst },
    ],
    [
      'a PST that was restored beside before',
      'pst',
      pst,
      { there: { [toPst]: 'other', [besidePst]: 'same' } },
      { action: 'same', to: besidePst },
    ],
    [
      'both places taken',
      'pst',
      pst,
      { there: { [toPst]: 'other', [besidePst]: 'other' } },
      { action: 'exists', to: besidePst },
    ],
    [
      'a PST over what is there, where told',
      'pst',
      pst,
      { overwrite: true, there: { [toPst]: 'other' } },
      { action: 'replace', to: toPst, closed: true },
    ],
    [
      'an OST never into a profile',
      'ost',
      'C:\\Users\\jan\\AppData\\Local\\Microsoft\\Outlook\\a.ost',
      { overwrite: true },
      { action: 'refused', to: null },
    ],
    [
      'an OST into a folder that was named',
      'ost',
      'C:\\Users\\jan\\a.ost',
      { into: 'C:\\to' },
      { action: 'write', to: 'C:\\to\\C_\\Users\\jan\\a.ost' },
    ],
    ['a signature', 'outlook-settings', sign, {}, { action: 'write', to: toSign, closed: false }],
    [
      'a signature that differs is left',
      'outlook-settings',
      sign,
      { there: { [toSign]: 'other' } },
      { action: 'exists', to: toSign },
    ],
    [
      'a signature over what is there, where told',
      'outlook-settings',
      sign,
      { overwrite: true, there: { [toSign]: 'other' } },
      { action: 'replace', to: toSign },
    ],
    ['macros need Outlook closed', 'outlook-settings', vba, {}, { action: 'write', closed: true }],
    ['a place nobody knows', 'outlook-settings', 'C:\\x\\y.dat', {}, { action: 'refused', to: null }],
    ['a stream where Outlook has made none', 'outlook-settings', stream, {}, { action: 'refused', to: null }],
    [
      'a stream over the one that is there',
      'outlook-settings',
      stream,
      { streams: ['Stream_Autocomplete_0_BBBB.dat'] },
      { action: 'replace', to: `${cache}\\Stream_Autocomplete_0_BBBB.dat`, closed: true },
    ],
    [
      'a stream over the one of its name',
      'outlook-settings',
      stream,
      { streams: ['Stream_Autocomplete_0_BBBB.dat', 'stream_autocomplete_0_aaaa.dat'] },
      { action: 'replace', to: `${cache}\\stream_autocomplete_0_aaaa.dat` },
    ],
    [
      'a stream where it is not clear which',
      'outlook-settings',
      stream,
      { streams: ['Stream_Autocomplete_0_B.dat', 'Stream_Autocomplete_0_C.dat'] },
      { action: 'refused', to: null },
    ],
  ])('%s', async (_, kind, path, options, expected) => {
    const [only, ...more] = await plan([version(path, kind)], options);
    expect(more).toEqual([]);
    expect(only).toMatchObject(expected);
    if (only?.action === 'refused' || only?.action === 'exists') expect(only.note).not.toBe('');
  });

  test.each<[string, string, string]>([
    ['a name in another case', 'C:\\Users\\jan\\Desktop\\A.PST', pst],
    ['a folder of the name', `${pst}\\b`, pst],
    ['a file of the name', pst, `${pst}\\b`],
  ])('of two that take each other the place, the newer goes there: %s', async (_, newer, older) => {
    const old = version(older, 'mail-client', { takenAt: '2025-01-01T00:00:00.000Z' });
    const decided = await plan([old, version(newer, 'mail-client')]);
    const actionOf = (path: string) => decided.find((one) => one.version.path === path)?.action;
    expect([actionOf(newer), actionOf(older)]).toEqual(['write', 'refused']);
    const below = await plan([old, version(newer, 'mail-client')], { into: 'C:\\to' });
    expect(below.map(({ action }) => action)).toEqual(['write', 'write']);
  });

  test('beside a name that is as long as one can be', async () => {
    const long = `C:\\Users\\jan\\Desktop\\${'é'.repeat(125)}.pst`;
    const there = { [long.replace('jan', 'Nowak')]: 'other' as const };
    const [only] = await plan([version(long, 'pst')], { there });
    expect(only!.action).toBe('beside');
    expect(Buffer.byteLength(win32.basename(only!.to!))).toBeLessThanOrEqual(255);
  });

  test('B1: of two streams only the newest goes over the one that is there, whatever times they are dated', async () => {
    const old = version(stream.replace('AAAA', 'OLD'), 'outlook-settings', {
      takenAt: '2027-01-01T00:00:00.000Z',
    });
    const decided = await plan([old, version(stream, 'outlook-settings')], {
      streams: ['Stream_Autocomplete_0_B.dat'],
    });
    expect(decided.map(({ version: { path }, action }) => [path, action])).toEqual([
      [stream, 'replace'],
      [old.path, 'refused'],
    ]);
  });
});

describe('which versions', () => {
  test("H8: those of one user, and of nobody's folder what can be of no other", () => {
    const jan = version('C:\\Users\\Jan\\a', 'mail-client');
    const ann = version('C:\\Users\\Ann\\a', 'mail-client');
    const own = version('C:\\Users\\NOWAK\\a', 'mail-client');
    const shared = version('D:\\a', 'mail-client');
    const of = (versions: VersionSummary[], from?: string) => {
      const { mine, nobodys } = ofOneUser(versions, { from, here });
      return [mine, nobodys];
    };
    expect(of([jan, shared])).toEqual([[jan, shared], []]);
    expect(of([jan, shared], 'jan')).toEqual([[jan], [shared]]);
    expect(of([jan, ann, shared], 'jan')).toEqual([[jan], [shared]]);
    expect(of([jan, own, shared])).toEqual([[own], [shared]]);
    expect(() => ofOneUser([jan, ann], { from: undefined, here })).toThrow(
      'several users: Jan, Ann. Say whose with --from.',
    );
    expect(() => ofOneUser([jan], { from: 'Eva', here })).toThrow(
      'Nothing of this kind is of Eva; there is something of: Jan.',
    );
  });
});
