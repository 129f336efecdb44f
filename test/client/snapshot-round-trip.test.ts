// The round trip of the doctor tells how far a snapshot goes on this machine, and leaves nothing.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDeviceDb } from '../../client/device-db.ts';
import { btrfsSnapshots } from '../../client/snapshot/btrfs.ts';
import { liveFiles } from '../../client/snapshot/live.ts';
import type { SnapshotProvider } from '../../client/snapshot.ts';
import { SnapshotJournal } from '../../client/snapshot-journal.ts';
import { snapshotRoundTrip } from '../../client/snapshot-round-trip.ts';
import { Failure } from '../../shared/failure.ts';
import { btrfsVolume, lacksBtrfs, snapshotsOn } from '../support/btrfs-volume.ts';
import { named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

const missing = lacksBtrfs();
const journalIn = (folder: string) => new SnapshotJournal(openDeviceDb(join(folder, 'device.db')));

describe('where snapshots can be made', () => {
  test.skipIf(missing)(named('every step goes well and nothing is left', missing), async () => {
    const volume = btrfsVolume(tempDir(), 268_435_456);
    const journal = journalIn(tempDir());
    const steps = await snapshotRoundTrip(btrfsSnapshots, join(volume, 'new'), { journal, now: Date.now });
    expect(steps.map(({ step, ok }) => [step, ok])).toEqual([
      ['volume', true],
      ['create', true],
      ['read', true],
      ['delete', true],
    ]);
    expect(snapshotsOn(volume)).toEqual([]);
    expect(readdirSync(join(volume, 'new'))).toEqual([]);
    expect(journal.all()).toEqual([]);
  });
});

const broken = (over: Partial<SnapshotProvider>): SnapshotProvider => ({ ...liveFiles, ...over });
const denied = new Failure('snapshot_denied', 'No rights.');

test.each<[string, SnapshotProvider, string[], RegExp]>([
  ['no volume', broken({ volumeOf: async () => null }), ['volume'], /can make no live snapshot/],
  [
    'no right to make one',
    broken({ create: () => Promise.reject(denied) }),
    ['volume', 'create'],
    /^No rights/,
  ],
  // The live file is no frozen view: it shows the file as it is now.
  ['no frozen view', liveFiles, ['volume', 'create', 'read'], /does not show the file as it was/],
])('%s is told at its step', async (_, provider, steps, message) => {
  const folder = tempDir();
  const told = await snapshotRoundTrip(provider, folder, { journal: journalIn(tempDir()), now: Date.now });
  expect(told.map(({ step }) => step)).toEqual(steps);
  expect(told.slice(0, -1).every(({ ok }) => ok)).toBe(true);
  expect(told.at(-1)).toMatchObject({ ok: false, message: expect.stringMatching(message) });
  expect(told.at(-1)!.hint).not.toBe('');
  expect(readdirSync(folder)).toEqual([]);
});

test('one that can’t be removed is told, and stays in the journal', async () => {
  let seen: Buffer | undefined;
  const frozen = tempDir();
  const provider = broken({
    create: async (volume) => {
      const { readFileSync } = await import('node:fs');
      const name = readdirSync(folder)[0]!;
      seen = readFileSync(join(folder, name));
      (await import('node:fs')).writeFileSync(join(frozen, name), seen);
      return { root: volume.root, handle: '{1}', outlookRunning: null };
    },
    pathIn: (_root, _volume, real) => join(frozen, real.slice(real.lastIndexOf('/') + 1)),
    remove: () => Promise.reject(denied),
  });
  const folder = tempDir();
  const journal = journalIn(tempDir());
  const told = await snapshotRoundTrip(provider, folder, { journal, now: Date.now });
  expect(told.map(({ step, ok }) => [step, ok])).toEqual([
    ['volume', true],
    ['create', true],
    ['read', true],
    ['delete', false],
  ]);
  expect(journal.all()).toMatchObject([{ handle: '{1}' }]);
});
