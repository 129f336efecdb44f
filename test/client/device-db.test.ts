// The device's database and the lock on its state: durable, one owner, no guessing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { openDeviceDb } from '../../client/device-db.ts';
import { MIGRATIONS } from '../../client/device-schema.ts';
import { Queue } from '../../client/queue.ts';
import { SourceRegistry } from '../../client/source-registry.ts';
import { defaultStateRoot, lockState, statePaths } from '../../client/state-directory.ts';
import { tempDir } from '../support/temp-dir.ts';

test('commits are durable: WAL with synchronous=FULL, also after it was used', () => {
  const db = openDeviceDb(join(tempDir(), 'device.db'));
  db.prepare('SELECT COUNT(*) FROM sources').get();
  expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
  expect(db.pragma('synchronous', { simple: true })).toBe(2);
  expect(db.pragma('foreign_keys', { simple: true })).toBe(1);
  db.close();
});

test('every older schema is brought to this one', () => {
  for (let version = 0; version <= MIGRATIONS.length; version++) {
    const path = join(tempDir(), 'device.db');
    const old = new Database(path);
    for (const sql of MIGRATIONS.slice(0, version)) old.exec(sql);
    old.pragma(`user_version = ${version}`);
    old.close();
    const db = openDeviceDb(path);
    expect(db.pragma('user_version', { simple: true })).toBe(MIGRATIONS.length);
    db.close();
  }
});

test('a newer schema is refused', () => {
  const path = join(tempDir(), 'device.db');
  const newer = new Database(path);
  newer.pragma(`user_version = ${MIGRATIONS.length + 1}`);
  newer.close();
  expect(() => openDeviceDb(path)).toThrow(expect.objectContaining({ code: 'state_unusable' }));
});

test('the queue keeps the order, and lets packs go with their backup', () => {
  const db = openDeviceDb(join(tempDir(), 'device.db'));
  const source = new SourceRegistry(db).register('/mail.pst', 'pst');
  const queue = new Queue(db);
  const backup = (id: string, taken_at: string) =>
    queue.begin({
      id,
      source_id: source.id,
      base_version: null,
      size: 1,
      mtime: '',
      taken_at,
      snapshot: 'live',
      health: 'clean',
      health_notes: '[]',
      mark: null,
    });
  const pack = (backup_id: string, number: number) =>
    queue.addPack({
      backup_id,
      number,
      id: `${backup_id}${number}`,
      bytes: 10,
      raw_bytes: 20,
      through: 1,
      runs: Buffer.alloc(1),
    });
  backup('b', '2026-02');
  backup('a', '2026-01');
  pack('b', 0);
  pack('a', 1);
  pack('a', 0);
  expect(queue.waiting().map((each) => each.id)).toEqual(['a0', 'a1', 'b0']);
  expect(queue.staged()).toEqual({ packs: 3, bytes: 30 });
  queue.advancePack({ backup_id: 'a', number: 0 }, 'acknowledged');
  expect(queue.progressOf('a')).toEqual({ total: 20, known: 10 });
  expect(() => queue.advance('a', 'receipt')).toThrow(RangeError);
  expect(queue.advance('a', 'lost')).toBe('abandoned');
  expect(queue.staged()).toEqual({ packs: 1, bytes: 10 });
  db.close();
});

test('one process works in a state directory, until it ends however it ends', async () => {
  const paths = statePaths(tempDir());
  const script = `
    const db = new (require(${JSON.stringify(createRequire(import.meta.url).resolve('better-sqlite3'))}))(${JSON.stringify(paths.lock)}, { timeout: 0 });
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
    console.log('locked');
    setInterval(() => {}, 1000);
  `;
  const holder = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  expect(() => lockState(paths)).toThrow(expect.objectContaining({ code: 'state_locked' }));
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const unlock = lockState(paths);
  expect(() => lockState(paths)).toThrow(expect.objectContaining({ code: 'state_locked' }));
  unlock();
  lockState(paths)();
});

test('where state lies by default', () => {
  expect(defaultStateRoot('linux', { MAILFERRY_STATE: '/s' }, '/h')).toBe('/s');
  expect(defaultStateRoot('linux', {}, '/h')).toBe('/h/.local/state/mailferry');
  expect(defaultStateRoot('linux', { XDG_STATE_HOME: '/x' }, '/h')).toBe('/x/mailferry');
  expect(defaultStateRoot('win32', { ProgramData: 'C:\\ProgramData' }, 'C:\\h')).toMatch(
    /^C:\\ProgramData.Mailferry$/,
  );
});
