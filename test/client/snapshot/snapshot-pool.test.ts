// The snapshots of a run: shared while they are young, replaced when they are old or lost, each removed exactly once.
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import type { SnapshotProvider } from '../../../client/snapshot/snapshot.ts';
import { SnapshotJournal } from '../../../client/snapshot/snapshot-journal.ts';
import { SnapshotPool } from '../../../client/snapshot/snapshot-pool.ts';
import { openDeviceDb } from '../../../client/state/device-db.ts';
import { Failure } from '../../../shared/failure.ts';
import { tempDir } from '../../support/temp-dir.ts';

const volume = { root: '/' };
let made: string[] = [];
let removed: string[] = [];
let gone = new Set<string>();
let clock = 0;
let provider: SnapshotProvider;
let pool: SnapshotPool;
let journal: SnapshotJournal;

beforeEach(() => {
  made = [];
  removed = [];
  gone = new Set();
  clock = 1_700_000_000_000;
  provider = {
    kind: 'btrfs',
    volumeOf: async () => volume,
    create: async (_, id) => {
      made.push(id);
      return { root: `/${id}`, handle: null, outlookRunning: null };
    },
    pathIn: (root) => root,
    exists: async ({ id }) => !gone.has(id),
    remove: async ({ id }) => {
      removed.push(id);
      return true;
    },
  };
  journal = new SnapshotJournal(openDeviceDb(join(tempDir(), 'device.db')));
  pool = new SnapshotPool({ journal, now: () => clock });
});

const use = () => pool.use(provider, volume, (snapshot) => snapshot.pathOf('/x'));

test('one snapshot serves while it is young, and is removed once at the end', async () => {
  const first = await use();
  clock += 119_000;
  expect(await use()).toBe(first);
  expect(removed).toEqual([]);
  await pool.close();
  await pool.close();
  expect([made, removed]).toEqual([made, made]);
  expect(made).toHaveLength(1);
  expect(pool.made).toBe(1);
  expect(journal.all()).toEqual([]);
});

test('an old one is replaced', async () => {
  const first = await use();
  clock += 121_000;
  expect(await use()).not.toBe(first);
  expect(removed).toEqual([made[0]]);
  await pool.close();
  expect(removed).toEqual(made);
});

test('one that nobody uses any more is removed when it is old, though the run goes on', async () => {
  pool = new SnapshotPool({ journal, now: () => clock }, 30);
  await use();
  expect(removed).toEqual([]);
  await expect.poll(() => removed).toEqual(made);
  await pool.close();
  expect(removed).toEqual(made);
});

test('a lost one is not handed out again, also to another that uses it meanwhile', async () => {
  const unreadable = new Failure('source_unreadable', 'EIO');
  await pool.use(provider, volume, async (snapshot) => {
    gone.add(made[0]!);
    expect(await snapshot.judge(unreadable)).toMatchObject({ code: 'snapshot_lost' });
    await use();
    expect(made).toHaveLength(2);
  });
  expect(removed).toEqual([made[0]]);
  await pool.close();
  expect(removed).toEqual(made);
});

test('one that fails to be made is no snapshot, and the next use tries again', async () => {
  const create = provider.create;
  provider.create = () =>
    Promise.reject(new Failure('snapshot_failed', 'No.', { detail: { nothingMade: true } }));
  await expect(use()).rejects.toThrow('No.');
  expect(removed).toEqual([]);
  expect(journal.all()).toEqual([]);
  provider.create = create;
  await use();
  await pool.close();
  expect(removed).toEqual(made);
});

test('live files are looked at anew each time', async () => {
  const live: SnapshotProvider = { ...provider, kind: 'live' };
  await pool.use(live, volume, async () => {});
  await pool.use(live, volume, async () => {});
  expect(made).toHaveLength(2);
  expect(removed).toEqual(made);
  expect(pool.made).toBe(0);
});
