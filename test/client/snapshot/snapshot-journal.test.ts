// The journal of snapshots: what is in it is on the disk before anything else happens.
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SnapshotJournal } from '../../../client/snapshot/snapshot-journal.ts';
import { openDeviceDb } from '../../../client/state/device-db.ts';
import { tempDir } from '../../support/temp-dir.ts';

const entry = (id: string, made_at = '2026-01-01T00:00:00.000Z') => ({
  id,
  provider: 'btrfs',
  volume: '/home',
  made_at,
});

function journal() {
  const path = join(tempDir(), 'device.db');
  const db = openDeviceDb(path);
  onTestFinished(() => void db.close());
  return { rows: new SnapshotJournal(db), path };
}

test('what is expected is there, also for another connection, until it is gone', () => {
  const { rows, path } = journal();
  const other = openDeviceDb(path, { readonly: true });
  const seen = new SnapshotJournal(other);
  rows.expect(entry('a'));
  expect(seen.all()).toMatchObject([entry('a')]);
  rows.gone('a');
  expect(seen.all()).toEqual([]);
  other.close();
});

test('the oldest first; one that is gone takes no other with it, and may be gone twice', () => {
  const { rows } = journal();
  rows.expect(entry('new', '2026-02-01T00:00:00.000Z'));
  rows.expect(entry('old'));
  rows.gone('never');
  rows.gone('new');
  rows.gone('new');
  expect(rows.all().map(({ id }) => id)).toEqual(['old']);
});

test('an id is one snapshot', () => {
  const { rows } = journal();
  rows.expect(entry('a'));
  expect(() => rows.expect(entry('a'))).toThrow(/UNIQUE/);
});
