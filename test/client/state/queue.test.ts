// The queue: whole or not at all, in order, and what has ended leaves nothing behind.
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type DeviceDb, openDeviceDb } from '../../../client/state/device-db.ts';
import { Queue } from '../../../client/state/queue.ts';
import { SourceRegistry } from '../../../client/state/source-registry.ts';
import { statementText } from '../../../shared/receipt.ts';
import { backupRow, packRow } from '../../support/client/rows.ts';
import { tempDir } from '../../support/temp-dir.ts';

function open(): { db: DeviceDb; queue: Queue; source: number; path: string } {
  const path = join(tempDir(), 'device.db');
  const db = openDeviceDb(path);
  onTestFinished(() => void db.close());
  const source = new SourceRegistry(db).register('/mail.pst', 'pst').id;
  return { db, queue: new Queue(db), source, path };
}

const SEALED = {
  complete: 1,
  size: 9,
  sha256: 'aa',
  root: 'bb',
  fingerprint: 'cc',
  fingerprint_file: 'dd',
};

describe('backups', () => {
  test('begin as they are given, being scanned', () => {
    const { queue, source } = open();
    const row = backupRow('a', source, { base_version: 'base', mark: null });
    queue.begin(row);
    expect(queue.backup('a')).toEqual({
      ...row,
      state: 'scanning',
      complete: 1,
      sha256: null,
      root: null,
      fingerprint: null,
      fingerprint_file: null,
      list_id: null,
      list_bytes: null,
      list_url: null,
      row_check: expect.stringMatching(/^[0-9a-f]{32}$/),
      attempts: 0,
      next_attempt_at: 0,
      failure: null,
    });
    expect(queue.backup('b')).toBeUndefined();
  });

  test('begin once: an id is one backup for ever', () => {
    const { queue, source } = open();
    queue.begin(backupRow('a', source));
    expect(() => queue.begin(backupRow('a', source, { size: 5 }))).toThrow(/UNIQUE/);
    expect(queue.backup('a')!.size).toBe(1_000);
  });

  test('are of a source that is there', () => {
    const { queue } = open();
    expect(() => queue.begin(backupRow('a', 4_711))).toThrow(/FOREIGN KEY/);
  });

  test('go along their table, with what became known of them', () => {
    const { queue, source } = open();
    queue.begin(backupRow('a', source));
    expect(queue.advance('a', 'sealed', SEALED)).toBe('uploading');
    expect(queue.backup('a')).toMatchObject({ ...SEALED, state: 'uploading' });
    expect(queue.advance('a', 'packs-known')).toBe('committing');
    expect(queue.backup('a')).toMatchObject({ ...SEALED, state: 'committing' });
    expect(queue.advance('a', 'receipt')).toBe('receipted');
  });

  test('that meet what they cannot stay as they are', () => {
    const { queue, source } = open();
    queue.begin(backupRow('a', source));
    const before = queue.backup('a');
    expect(() => queue.advance('a', 'receipt', SEALED)).toThrow(RangeError);
    expect(queue.backup('a')).toEqual(before);
    expect(() => queue.advance('none', 'sealed')).toThrow(RangeError);
  });

  test('that were put off are due again when they get on', () => {
    const { queue, source } = open();
    queue.begin(backupRow('a', source));
    queue.advance('a', 'sealed', SEALED);
    queue.postponeBackup('a', 'busy', 1, 5_000);
    queue.postponeBackup('a', 'stalled', 2, 9_000);
    expect(queue.backup('a')).toMatchObject({ attempts: 2, failure: 'stalled', next_attempt_at: 9_000 });
    queue.advance('a', 'packs-known');
    expect(queue.backup('a')).toMatchObject({ attempts: 2, failure: null, next_attempt_at: 0 });
    queue.advance('a', 'packs-missing');
    expect(queue.backup('a')).toMatchObject({ attempts: 2, failure: null });
  });

  test('are active until they end, the oldest first', () => {
    const { queue, source } = open();
    queue.begin(backupRow('c', source, { taken_at: '2026-03-01T00:00:00.000Z' }));
    queue.begin(backupRow('b', source, { taken_at: '2026-01-01T00:00:00.000Z' }));
    queue.begin(backupRow('a', source, { taken_at: '2026-03-01T00:00:00.000Z' }));
    queue.begin(backupRow('d', source, { taken_at: '2026-02-01T00:00:00.000Z' }));
    queue.advance('d', 'lost');
    expect(queue.active().map(({ id }) => id)).toEqual(['b', 'a', 'c']);
  });
});

describe('packs', () => {
  test('wait in the order of their backups and their numbers until the server knows them', () => {
    const { queue, source } = open();
    queue.begin(backupRow('b', source, { taken_at: '2026-02-01T00:00:00.000Z' }));
    queue.begin(backupRow('a', source, { taken_at: '2026-01-01T00:00:00.000Z' }));
    for (const pack of [packRow('b', 0), packRow('a', 10), packRow('a', 9), packRow('a', 0)])
      queue.addPack(pack);
    const waiting = () => queue.waiting().map(({ id }) => id);
    expect(waiting()).toEqual(['a/0', 'a/9', 'a/10', 'b/0']);
    queue.advancePack({ backup_id: 'a', number: 9 }, 'created', '/u/9');
    expect(waiting()).toEqual(['a/0', 'a/9', 'a/10', 'b/0']);
    queue.advancePack({ backup_id: 'a', number: 0 }, 'acknowledged');
    expect(waiting()).toEqual(['a/9', 'a/10', 'b/0']);
    expect(queue.staged()).toEqual({ packs: 4, bytes: 40 });
    expect(queue.progressOf('a')).toEqual({ total: 30, known: 10 });
    expect(queue.progressOf('none')).toEqual({ total: 0, known: 0 });
  });

  test('keep their URL exactly as long as the upload goes on', () => {
    const { queue, source } = open();
    queue.begin(backupRow('a', source));
    queue.addPack(packRow('a', 0));
    const url = () => queue.packsOf('a')[0]!.url;
    const pack = { backup_id: 'a', number: 0 };
    queue.advancePack(pack, 'created', '/u/1');
    expect(url()).toBe('/u/1');
    queue.advancePack(pack, 'created');
    expect(url()).toBe('/u/1');
    queue.postponePack(pack, 'stalled', 3, 7_000);
    expect(queue.packsOf('a')[0]).toMatchObject({ url: '/u/1', attempts: 3, next_attempt_at: 7_000 });
    queue.advancePack(pack, 'gone');
    expect(queue.packsOf('a')[0]).toMatchObject({
      state: 'staged',
      url: null,
      attempts: 0,
      next_attempt_at: 0,
      failure: null,
    });
  });

  test('that meet what they cannot stay as they are; of one that is not there nothing is said', () => {
    const { queue, source } = open();
    queue.begin(backupRow('a', source));
    queue.addPack(packRow('a', 0));
    queue.advancePack({ backup_id: 'a', number: 0 }, 'acknowledged');
    expect(() => queue.advancePack({ backup_id: 'a', number: 0 }, 'created', '/u')).toThrow(RangeError);
    expect(queue.packsOf('a')[0]).toMatchObject({ state: 'known', url: null });
    queue.advancePack({ backup_id: 'a', number: 1 }, 'acknowledged');
  });

  test('that two backups hold are acknowledged for both, and those that come later are known at once', () => {
    const { queue, source } = open();
    for (const id of ['a', 'b', 'c']) queue.begin(backupRow(id, source));
    for (const id of ['a', 'b']) queue.addPack(packRow(id, 0, { id: 'same' }));
    queue.addPack(packRow('b', 1));
    queue.advancePack({ backup_id: 'b', number: 0 }, 'created', '/v1/uploads/b0');
    queue.advancePack({ backup_id: 'a', number: 0 }, 'acknowledged');
    expect(queue.packsOf('b').map(({ state, url }) => [state, url])).toEqual([
      ['known', null],
      ['staged', null],
    ]);
    queue.addPack(packRow('c', 0, { id: 'same' }));
    expect(queue.packsOf('c')[0]!.state).toBe('known');
    expect(queue.waiting().map(({ backup_id, number }) => [backup_id, number])).toEqual([['b', 1]]);
  });

  test('are part of a backup that is there, each number once, with the bytes they were given', () => {
    const { queue, source } = open();
    expect(() => queue.addPack(packRow('none', 0))).toThrow(/FOREIGN KEY/);
    queue.begin(backupRow('a', source));
    const runs = Uint8Array.from({ length: 256 }, (_, i) => i);
    queue.addPack(packRow('a', 0, { runs }));
    expect(() => queue.addPack(packRow('a', 0))).toThrow(/UNIQUE/);
    expect(Uint8Array.from(queue.packsOf('a')[0]!.runs)).toEqual(runs);
  });

  test.each(['lost', 'pack-lost', 'nothing-sealed'] as const)(
    'go with a backup that is abandoned (%s), and with no other',
    (event) => {
      const { queue, source } = open();
      for (const id of ['a', 'b']) {
        queue.begin(backupRow(id, source));
        queue.addPack(packRow(id, 0));
      }
      queue.advance('a', event);
      expect(queue.packsOf('a')).toEqual([]);
      expect(queue.staged()).toEqual({ packs: 1, bytes: 10 });
    },
  );

  test('of a backup that was given up while it was read are not taken any more: nobody would ever free them', () => {
    const { queue, source } = open();
    queue.begin(backupRow('a', source));
    queue.addPack(packRow('a', 0));
    // The sender finds pack 0 damaged while the reader seals pack 1.
    queue.advance('a', 'pack-lost');
    try {
      queue.addPack(packRow('a', 1));
    } catch {
      // To refuse it is as good as to forget it.
    }
    expect(queue.waiting()).toEqual([]);
    expect(queue.staged()).toEqual({ packs: 0, bytes: 0 });
  });

  test('fall with the row of their backup', () => {
    const { queue, db, source } = open();
    queue.begin(backupRow('a', source));
    queue.addPack(packRow('a', 0));
    db.prepare('DELETE FROM backups').run();
    expect(queue.packsOf('a')).toEqual([]);
  });
});

describe('atomically', () => {
  test('all of it or nothing, also what advance() does inside', () => {
    const { queue, source } = open();
    queue.begin(backupRow('a', source));
    queue.addPack(packRow('a', 0));
    expect(() =>
      queue.atomically(() => {
        queue.advancePack({ backup_id: 'a', number: 0 }, 'acknowledged');
        queue.advance('a', 'sealed', SEALED);
        queue.begin(backupRow('b', source));
        throw new Error('in the middle');
      }),
    ).toThrow('in the middle');
    expect(queue.backup('a')!.state).toBe('scanning');
    expect(queue.packsOf('a')[0]!.state).toBe('staged');
    expect(queue.backup('b')).toBeUndefined();
  });

  test('another connection sees nothing of it before it is done', () => {
    const { queue, source, path } = open();
    const other = openDeviceDb(path, { readonly: true });
    const seen = new Queue(other);
    queue.begin(backupRow('a', source));
    queue.atomically(() => {
      queue.addPack(packRow('a', 0));
      queue.advance('a', 'sealed', SEALED);
      expect(seen.packsOf('a')).toEqual([]);
      expect(seen.backup('a')!.state).toBe('scanning');
    });
    expect(seen.packsOf('a')).toHaveLength(1);
    expect(seen.backup('a')!.state).toBe('uploading');
    other.close();
  });
});

describe('receipts', () => {
  const statement = (sequence: number, version: string) => ({
    format: 'mailferry-receipt-1' as const,
    device: 'd',
    sequence,
    version,
    complete: true,
    path: '/mail.pst',
    size: 1,
    sha256: '',
    root: '',
    committedAt: '',
    previous: '',
  });

  test('are kept word for word; the first of a sequence stays', () => {
    const { queue } = open();
    const first = { statement: statementText(statement(3, 'a')), signature: 'one' };
    queue.keepReceipt(first, statement(3, 'a'));
    queue.keepReceipt(first, statement(3, 'a'));
    queue.keepReceipt({ statement: 'x', signature: 'two' }, statement(3, 'b'));
    expect(queue.receipt(3)).toEqual(first);
    expect(queue.receipt(2)).toBeUndefined();
  });
});
