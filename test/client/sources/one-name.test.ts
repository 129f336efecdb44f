// One store under several spellings is one source on Windows: the tables, and a disk that is told as Windows tells it.
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findVersion } from '../../../client/restoring/find-version.ts';
import { namesOf, sourcesNamed } from '../../../client/restoring/source-name.ts';
import { oneNames, spelled } from '../../../client/sources/one-name.ts';
import { isAtOrBelow, spellingKey } from '../../../client/sources/source-spelling.ts';
import { openDeviceDb } from '../../../client/state/device-db.ts';
import { SourceRegistry } from '../../../client/state/source-registry.ts';
import type { VersionSummary } from '../../../shared/protocol.ts';
import { tempDir } from '../../support/temp-dir.ts';

const STORE = 'C:\\Users\\Zoë\\Mail\\Archive 2010.pst';
const SPELLINGS = [
  'c:\\users\\ZOË\\mail\\ARCHIVE 2010.PST',
  'C:/Users/Zoë/Mail/Archive 2010.pst',
  '\\\\?\\C:\\Users\\Zoë\\Mail\\Archive 2010.pst',
  '//?/c:/users/zoë/mail/archive 2010.pst',
  '\\\\.\\C:\\Users\\Zoë\\Mail\\Archive 2010.pst',
  '\\??\\C:\\Users\\Zoë\\Mail\\Archive 2010.pst',
  'C:\\Users\\Public\\..\\.\\Zoë\\\\Mail\\Archive 2010.pst',
];
/** Another letter, a short name, a home behind a junction: the disk alone knows. */
const DISK_KNOWS = [
  'M:\\Archive 2010.pst',
  'C:\\Users\\ZO~1\\Mail\\ARCHIV~1.PST',
  'D:\\Homes\\Zoë\\Mail\\Archive 2010.pst',
];

/** As GetFinalPathNameByHandle answers where `there` is all that there is. */
const diskOf = (there: readonly string[]) => async (path: string) => {
  const real = DISK_KNOWS.map((one) => spellingKey(one, 'win32')).includes(spellingKey(path, 'win32'))
    ? STORE
    : there.find((one) => spellingKey(one, 'win32') === spellingKey(path, 'win32'));
  if (real === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
  return `\\\\?\\${real}`;
};
const windows = { platform: 'win32', realPath: diskOf([STORE]) };
const NOW = Date.parse('2026-03-01T00:00:00.000Z');

function registry() {
  const path = join(tempDir(), 'device.db');
  const db = openDeviceDb(path);
  onTestFinished(() => void db.close());
  const sources = new SourceRegistry(db);
  const add = (name: string, receiptAt: string | null, set: string | null = null) => {
    const { id } = sources.register(name, 'pst', set);
    const base = { version: name, size: 1, root: 'r', complete: true, fingerprint: 'f', file: 'n' };
    if (receiptAt !== null) sources.promote(id, base, null, receiptAt);
    return id;
  };
  return { sources, add, path };
}
const paths = (sources: SourceRegistry) =>
  sources
    .all()
    .filter(({ forgottenAt }) => forgottenAt === null)
    .map(({ path }) => path);

test.each(SPELLINGS)(
  'C14: %s has the key of the store on Windows, and one of its own elsewhere',
  (spelling) => {
    expect(spellingKey(spelling, 'win32')).toBe(spellingKey(STORE, 'win32'));
    expect(spellingKey(`set:${spelling}`, 'win32')).toBe(spellingKey(`set:${STORE}`, 'win32'));
    expect(spellingKey(spelling, 'linux')).toBe(spelling);
  },
);

test.each([
  ['C:\\Straße\\a.pst', 'C:\\STRASSE\\a.pst'],
  ['C:\\ı.pst', 'C:\\I.pst'],
  ['C:\\a.pst', 'D:\\a.pst'],
  ['C:\\é.pst', 'C:\\e\u0301.pst'],
  ['C:\\mail\\a.pst', 'C:\\mail\\a.pst2'],
  ['HKEY_USERS\\S-1\\a/b', 'HKEY_USERS\\S-1\\a\\b'],
])('C14: %s and %s are two', (one, other) => {
  expect(spellingKey(one, 'win32')).not.toBe(spellingKey(other, 'win32'));
});

test.each([
  ['\\\\?\\UNC\\Server\\Mail\\a.pst', '\\\\server\\mail\\A.PST'],
  ['HKEY_USERS\\S-1\\Software', 'hkey_users\\s-1\\SOFTWARE'],
  ['c:\\mail\\', 'C:\\Mail'],
])('C14: %s and %s are one', (one, other) => {
  expect(spellingKey(one, 'win32')).toBe(spellingKey(other, 'win32'));
});

test('C14: a folder holds what is below it, in any spelling', () => {
  expect(isAtOrBelow('C:\\Mail\\a.pst', 'c:/MAIL/', 'win32')).toBe(true);
  expect(isAtOrBelow('C:\\Mail\\a.pst', 'c:\\', 'win32')).toBe(true);
  expect(isAtOrBelow('C:\\Mailing\\a.pst', 'c:\\mail', 'win32')).toBe(false);
  expect(isAtOrBelow('/mail/a.pst', '/', 'linux')).toBe(true);
  expect(isAtOrBelow('/Mail/a.pst', '/mail', 'linux')).toBe(false);
});

test.each([...SPELLINGS, ...DISK_KNOWS])(
  'C14: a new source named %s gets the disk’s own spelling',
  async (spelling) => {
    const { sources } = registry();
    expect(await (await oneNames(sources, windows, NOW))(spelling)).toBe(STORE);
    expect(await (await oneNames(sources, { platform: 'linux' }, NOW))(spelling)).toBe(spelling);
  },
);

test.each([...SPELLINGS, ...DISK_KNOWS])(
  'C14: doubles of 0.1, %s the newer one, are joined',
  async (spelling) => {
    const { sources, add } = registry();
    add(STORE, '2026-01-01T00:00:00.000Z');
    add(spelling, '2026-02-01T00:00:00.000Z');
    const other = 'C:\\Users\\Zoë\\other.pst';
    add(other, null);
    const nameOf = await oneNames(sources, windows, NOW);
    expect(paths(sources).sort()).toEqual([other, spelling].sort());
    expect(sources.all().find(({ path }) => path === STORE)?.forgottenAt).toBe('2026-03-01T00:00:00.000Z');
    for (const each of [STORE, ...SPELLINGS, ...DISK_KNOWS]) expect(await nameOf(each)).toBe(spelling);
  },
);

test('C14: doubles that are not there now are joined by their spelling alone; on Linux nothing is', async () => {
  const { sources, add } = registry();
  add('E:\\a.pst', '2026-02-01T00:00:00.000Z');
  add('e:\\A.PST', null);
  await oneNames(sources, { platform: 'linux' }, NOW);
  expect(paths(sources)).toHaveLength(2);
  await oneNames(sources, windows, NOW);
  expect(paths(sources)).toEqual(['E:\\a.pst']);
});

test('C14: two files of a folder that tells case apart stay two sources', async () => {
  const { sources, add } = registry();
  add('C:\\wsl\\a.pst', null);
  add('C:\\wsl\\A.pst', null);
  await oneNames(sources, { platform: 'win32', realPath: async (path) => path }, NOW);
  expect(paths(sources)).toHaveLength(2);
});

test('C14: what a person forgot stays forgotten under every spelling', async () => {
  const { sources, add } = registry();
  sources.forget([add(STORE, '2026-01-01T00:00:00.000Z')], '2026-01-02T00:00:00.000Z');
  expect(await (await oneNames(sources, windows, NOW))(SPELLINGS[0]!)).toBe(STORE);
});

test.each([...SPELLINGS, ...DISK_KNOWS])('C14: forget %s finds the source and its set', async (spelling) => {
  const { sources, add } = registry();
  const id = add(STORE, null);
  add(`set:${STORE}`, null, STORE);
  const here = { ...windows, cwd: 'C:\\' };
  expect((await sourcesNamed(spelling, sources.all(), here)).map((source) => source.id)).toContain(id);
  expect(await sourcesNamed('c:\\USERS', sources.all(), here)).toHaveLength(1);
  expect(await sourcesNamed('C:\\Users\\nobody', sources.all(), here)).toEqual([]);
  expect(await sourcesNamed(STORE.toUpperCase(), sources.all(), { platform: 'linux', cwd: '/' })).toEqual([]);
});

const version = (path: string, sequence: number) => ({ path, sequence }) as VersionSummary;
const serverWith = (...held: readonly VersionSummary[]) => ({
  async *versions({ path }: { path?: string | undefined }) {
    for (const one of held) if (path === undefined || one.path === path) yield one;
  },
});

test.each([...SPELLINGS, ...DISK_KNOWS])(
  'C14: restore %s finds what the server holds by its own name',
  async (spelling) => {
    const server = serverWith(version('C:\\other.pst', 3), version(STORE, 2));
    const find = (platform: string) =>
      findVersion(server, namesOf(spelling, { ...windows, platform, server, db: '/none' }), {});
    expect((await find('win32')).sequence).toBe(2);
    await expect(find('linux')).rejects.toMatchObject({ code: 'not_found' });
  },
);

test('C14: of doubles the newest version counts, whichever of their names is asked for', async () => {
  const { add, path: db } = registry();
  const [old, now] = [STORE, DISK_KNOWS[0]!];
  add(old, '2026-01-01T00:00:00.000Z');
  add(now, '2026-02-01T00:00:00.000Z');
  const server = serverWith(version(now, 7), version(old, 2));
  for (const word of [old, now, SPELLINGS[0]!])
    expect(await findVersion(server, namesOf(word, { ...windows, server, db }), {})).toMatchObject({
      path: now,
    });
});

test('C14: where the store and the database are gone the server’s list alone tells', async () => {
  const server = serverWith(version('X:\\Gone\\a.pst', 1));
  const here = { platform: 'win32', realPath: diskOf([]), server, db: '/none' };
  expect((await findVersion(server, namesOf('x:/gone/A.PST', here), {})).sequence).toBe(1);
  expect(await spelled('x:/gone/A.PST', here)).toMatchObject({ own: 'x:\\gone\\A.PST' });
});
