// Sets at a restore: only what was there together comes back, whole or not at all.
import { describe, expect, test } from 'vitest';
import { setPath } from '../../../client/backup/set-list.ts';
import { keepSetsWhole, type Placement } from '../../../client/restoring/plan.ts';
import { resolveSets } from '../../../client/restoring/sets.ts';
import type { VersionSummary } from '../../../shared/protocol.ts';

const day = (number: number) => `2026-11-0${number}T08:00:00.000Z`;
let made = 0;
/** A version taken on a day of November; its size tells its state. */
function version(path: string, taken: number, size: number, complete = true): VersionSummary {
  made++;
  return {
    id: `0199a0e0-7b1c-4000-8000-${String(made).padStart(12, '0')}`,
    sequence: 100 * taken + made,
    path,
    kind: 'mail-client',
    size,
    mtime: day(taken),
    takenAt: day(taken),
    receivedAt: day(taken),
    sha256: null,
    root: '0'.repeat(64),
    complete,
    snapshot: 'vss',
    health: 'not-a-store',
    healthNotes: [],
    receipt: { statement: '{}', signature: '' },
  };
}

const db = '/em/mail.dat';
const wal = '/em/mail.dat-wal';
const list = setPath('/em');
const members = (...versions: VersionSummary[]) =>
  versions.map(({ path, size, mtime }) => ({ path, size, mtime }));

/** Resolves with the lists given, by the day they were taken on. */
function resolve(
  all: VersionSummary[],
  lists: Record<number, { members: ReturnType<typeof members>; gone: string[] }>,
  at?: string,
) {
  const read = async ({ takenAt }: VersionSummary) => ({ set: '/em', ...lists[Number(takenAt[9])]! });
  const held = all.filter(({ complete }) => complete).sort((a, b) => b.sequence - a.sequence);
  const before = (time: number | undefined) =>
    held.filter(({ receivedAt }) => time === undefined || Date.parse(receivedAt) <= time);
  const time = at === undefined ? undefined : Date.parse(at);
  const newest = new Map<string, VersionSummary>();
  for (const one of before(time)) if (!newest.has(one.path)) newest.set(one.path, one);
  const inOrder = [...newest.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return resolveSets(inOrder, time, {
    read,
    async *versionsOf(path, until) {
      yield* before(until).filter((one) => one.path === path);
    },
  });
}
const paths = ({ versions }: { versions: readonly VersionSummary[] }) =>
  versions.map(({ path, takenAt }) => [path, takenAt.slice(8, 10)]);

describe('a set', () => {
  const db1 = version(db, 1, 10);
  const wal1 = version(wal, 1, 5);
  const db2 = version(db, 2, 20);
  const other = version('/em/settings.xml', 2, 1);
  const list1 = { members: members(db1, wal1), gone: [] };
  const list2 = { members: members(db2), gone: [wal] };
  const all = [version(list, 2, 2), version(list, 1, 1), db2, db1, wal1, other];

  test('comes back as its newest list says: a log that was gone by then stays away', async () => {
    expect(paths(await resolve(all, { 1: list1, 2: list2 }))).toEqual([
      ['/em/settings.xml', '02'],
      [db, '02'],
    ]);
  });

  test('of an earlier time comes back as it was then', async () => {
    expect(paths(await resolve(all, { 1: list1, 2: list2 }, day(1)))).toEqual([
      [db, '01'],
      [wal, '01'],
    ]);
  });

  test('keeps a file that had not changed since an earlier snapshot', async () => {
    const later = [version(list, 3, 3), version(wal, 3, 7), db1];
    expect(paths(await resolve(later, { 3: { members: members(db1, later[1]!), gone: [] } }))).toEqual([
      [db, '01'],
      [wal, '03'],
    ]);
  });

  test('whose newest state did not come through whole comes back in the one before', async () => {
    const cut = [version(list, 2, 2), version(list, 1, 1), version(db, 2, 20, false), db1, wal1];
    const resolved = await resolve(cut, { 1: list1, 2: { members: members(cut[2]!), gone: [wal] } });
    expect(paths(resolved)).toEqual([
      [db, '01'],
      [wal, '01'],
    ]);
    expect(resolved.sets.get(db)).toBe(list);
  });

  test('of which no state is whole is said, and nothing of it is mixed', async () => {
    const resolved = await resolve([version(list, 2, 2), db1], { 2: { members: members(db2), gone: [] } });
    expect(resolved).toMatchObject({ versions: [], broken: [list] });
  });
});

describe('at its place', () => {
  const placed = (path: string, action: Placement['action']): Placement => ({
    version: version(path, 1, 1),
    to: path,
    action,
    note: '',
    closed: true,
  });
  const sets = new Map([
    [db, list],
    [wal, list],
  ]);
  const decide = async (plan: Placement[], there: string[], overwrite = false) => {
    const decided = await keepSetsWhole(plan, {
      sets,
      overwrite,
      exists: async (path) => there.includes(path),
    });
    return [decided.plan.map(({ action }) => action), decided.leftovers];
  };

  test.each<[string, Placement['action'][], string[], boolean, unknown]>([
    ['nothing is there', ['write', 'write'], [], false, [['write', 'write'], []]],
    ['one file is in the way: none is written', ['write', 'exists'], [], false, [['exists', 'exists'], []]],
    ['what is there already stays', ['same', 'write'], [], false, [['same', 'write'], []]],
    [
      'a shared memory file of an older database: none is written',
      ['write', 'write'],
      [`${db}-shm`],
      false,
      [['exists', 'exists'], []],
    ],
    [
      'the same where told to replace: it is put aside',
      ['replace', 'write'],
      [`${db}-shm`],
      true,
      [['replace', 'write'], [{ set: list, file: `${db}-shm` }]],
    ],
  ])('%s', async (_, [first, second], there, overwrite, expected) => {
    expect(await decide([placed(db, first!), placed(wal, second!)], there, overwrite)).toEqual(expected);
  });

  test.each([false, true])(
    'one file has no place: told which, and what helps; overwrite %s',
    async (overwrite) => {
      const nowhere: Placement = { ...placed(wal, 'refused'), to: null, note: 'It has no place.' };
      const asked: string[] = [];
      const decided = await keepSetsWhole([placed(db, overwrite ? 'replace' : 'write'), nowhere], {
        sets,
        overwrite,
        exists: async (path) => asked.push(path) > 0,
      });
      expect(decided.plan).toMatchObject([
        {
          action: 'refused',
          to: db,
          note: `${wal}: a file of its set has no place here; restore it below a folder with --to`,
        },
        { action: 'refused', to: null, note: 'It has no place.' },
      ]);
      expect(asked).toEqual([`${db}-wal`, `${db}-journal`, `${db}-shm`]);
      // They belong to the database that stays.
      expect(decided.leftovers).toEqual([]);
    },
  );

  test('what is in the way of a set is told by its path', async () => {
    const { plan } = await keepSetsWhole([placed(db, 'write'), placed(wal, 'exists')], {
      sets,
      overwrite: false,
      exists: async () => false,
    });
    expect(plan[0]!.note).toBe(`${wal} is in the way of its set; say --overwrite`);
  });

  test('a file that is in no set goes its own way', async () => {
    const mail = placed('/em/Inbox', 'write');
    const decided = await keepSetsWhole([mail, placed(db, 'exists')], {
      sets,
      overwrite: false,
      exists: async () => false,
    });
    expect(decided.plan.map(({ action }) => action)).toEqual(['write', 'exists']);
  });
});
