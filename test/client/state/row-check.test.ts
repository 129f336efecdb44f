// The check of a row: any field of it that changed is noticed, in the queue's own rows too.
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { type DeviceDb, openDeviceDb } from '../../../client/state/device-db.ts';
import { Queue } from '../../../client/state/queue.ts';
import type { Backup, QueuedPack } from '../../../client/state/queue-rows.ts';
import {
  BACKUP_FIELDS,
  checkOfBackup,
  checkOfPack,
  firstDamagedPack,
  isBackupWhole,
  PACK_FIELDS,
} from '../../../client/state/row-check.ts';
import { SourceRegistry } from '../../../client/state/source-registry.ts';
import { backupRow, packRow } from '../../support/client/rows.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** Whatever SQLite may give for a column, damaged or not. */
const value = fc.oneof(
  fc.constant(null),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
  fc.string(),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
);
const rowOf = (fields: readonly string[]) =>
  fc.record(Object.fromEntries(fields.map((field) => [field, value])));
const same = (a: unknown, b: unknown) =>
  a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.compare(a, b) === 0 : Object.is(a, b);

test.each([
  ['a backup', BACKUP_FIELDS, (row: unknown) => checkOfBackup(row as Backup)],
  ['a pack', PACK_FIELDS, (row: unknown) => checkOfPack(row as QueuedPack)],
] as const)(
  'any single field of %s that changed is another check, and nothing else is',
  (_, fields, checkOf) => {
    fc.assert(
      fc.property(rowOf(fields), fc.constantFrom(...fields), value, (row, field, other) => {
        const changed = { ...row, [field]: other, state: 'anything', attempts: 3 };
        expect(checkOf(changed) === checkOf(row)).toBe(same(row[field], other));
      }),
      { numRuns: 500 },
    );
  },
);

const SEALED = { complete: 1, size: 9, sha256: 'aa', root: 'bb', fingerprint: 'cc', fingerprint_file: 'dd' };

function open(): { db: DeviceDb; queue: Queue } {
  const db = openDeviceDb(join(tempDir(), 'device.db'));
  onTestFinished(() => void db.close());
  const queue = new Queue(db);
  queue.begin(backupRow('a', new SourceRegistry(db).register('/mail.pst', 'pst').id));
  for (const number of [0, 1, 2]) queue.addPack(packRow('a', number));
  return { db, queue };
}

test('rows are whole from their beginning to their end, whatever becomes of them on the way', () => {
  const { queue } = open();
  const whole = () => isBackupWhole(queue.backup('a')!) && firstDamagedPack(queue.packsOf('a')) === null;
  expect(whole()).toBe(true);
  for (const number of [0, 1, 2]) {
    queue.advancePack({ backup_id: 'a', number }, 'created', '/u');
    queue.postponePack({ backup_id: 'a', number }, 'stalled', 1, 5);
    queue.advancePack({ backup_id: 'a', number }, 'acknowledged');
  }
  queue.advance('a', 'sealed', SEALED);
  queue.postponeBackup('a', 'busy', 1, 5);
  queue.advance('a', 'packs-known');
  expect(whole()).toBe(true);
  queue.advance('a', 'cut-short', { ...SEALED, complete: 0, sha256: null });
  expect(whole()).toBe(true);
});

test('a damaged row of a backup is noticed, and never sealed anew', () => {
  const { db, queue } = open();
  db.prepare("UPDATE backups SET mtime = '2026-01-01T00:00:00.001Z'").run();
  expect(isBackupWhole(queue.backup('a')!)).toBe(false);
  expect(() => queue.advance('a', 'sealed', SEALED)).toThrow(
    expect.objectContaining({ code: 'pack_damaged' }),
  );
});

test.each([
  ['a run', "UPDATE packs SET runs = x'01' WHERE number = 1", 1],
  ['its number', 'UPDATE packs SET number = 5 WHERE number = 0', 0],
  ['the check itself', "UPDATE packs SET row_check = 'a' WHERE number = 2", 2],
  ['its place in a row without a check', 'UPDATE packs SET row_check = NULL, number = number + 10', 0],
  ['nothing, in rows of before', 'UPDATE packs SET row_check = NULL', null],
  ['nothing that its check is over', "UPDATE packs SET url = '/u'", null],
])('of packs where %s was changed, those before it are good', (_, sql, place) => {
  const { db, queue } = open();
  db.prepare(sql).run();
  expect(firstDamagedPack(queue.packsOf('a'))).toBe(place);
});
