// The device's database: durable, brought up to date, and never opened by a guess.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { openDeviceDb, putAside } from '../../../client/state/device-db.ts';
import { MIGRATIONS } from '../../../client/state/device-schema.ts';
import { tempDir } from '../../support/temp-dir.ts';

const unusable = expect.objectContaining({ code: 'state_unusable' });

function schemaOf(db: Database.Database): unknown {
  return db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name').all();
}

describe('opened', () => {
  test('commits are durable: WAL with synchronous=FULL, also after it was used', () => {
    const db = openDeviceDb(join(tempDir(), 'device.db'));
    db.prepare('SELECT COUNT(*) FROM sources').get();
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(db.pragma('synchronous', { simple: true })).toBe(2);
    expect(db.pragma('foreign_keys', { simple: true })).toBe(1);
    expect(db.pragma('trusted_schema', { simple: true })).toBe(0);
    db.close();
  });

  test('again, synchronous=FULL is there again: it is no part of the file', () => {
    const path = join(tempDir(), 'device.db');
    openDeviceDb(path).close();
    const db = openDeviceDb(path);
    expect(db.pragma('synchronous', { simple: true })).toBe(2);
    db.close();
  });

  test('to be read only, it changes nothing, and sees what another connection commits', () => {
    const path = join(tempDir(), 'device.db');
    const writer = openDeviceDb(path);
    const reader = openDeviceDb(path, { readonly: true });
    writer.prepare("INSERT INTO sources (path, kind) VALUES ('/a', 'pst')").run();
    expect(reader.prepare('SELECT COUNT(*) FROM sources').pluck().get()).toBe(1);
    expect(() => reader.prepare("INSERT INTO sources (path, kind) VALUES ('/b', 'pst')").run()).toThrow(
      /readonly/,
    );
    reader.close();
    writer.close();
  });

  test('what was committed is there after kill -9', async () => {
    const path = join(tempDir(), 'device.db');
    const built = pathToFileURL(
      fileURLToPath(new URL('../../../dist/client/state/device-db.js', import.meta.url)),
    ).href;
    const program = `
      import { writeSync } from 'node:fs';
      const { openDeviceDb } = await import(${JSON.stringify(built)});
      const db = openDeviceDb(${JSON.stringify(path)});
      const insert = db.prepare("INSERT INTO sources (path, kind) VALUES (?, 'pst')");
      for (let n = 0; ; n++) {
        insert.run('/' + n);
        writeSync(1, n + '\\n');
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.length > 200) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const told = said.split('\n').length - 2;
    const db = openDeviceDb(path);
    expect(db.prepare('SELECT COUNT(*) FROM sources').pluck().get()).toBeGreaterThan(told);
    db.close();
  });
});

describe('schemas', () => {
  test('every older one is brought to this one, with what is in it', () => {
    const fresh = new Database(':memory:');
    for (const sql of MIGRATIONS) fresh.exec(sql);
    for (let version = 0; version <= MIGRATIONS.length; version++) {
      const path = join(tempDir(), 'device.db');
      const old = new Database(path);
      for (const sql of MIGRATIONS.slice(0, version)) old.exec(sql);
      if (version > 0) old.exec("INSERT INTO sources (path, kind) VALUES ('/kept', 'pst')");
      old.pragma(`user_version = ${version}`);
      old.close();
      const db = openDeviceDb(path);
      expect(db.pragma('user_version', { simple: true })).toBe(MIGRATIONS.length);
      expect(schemaOf(db)).toEqual(schemaOf(fresh));
      expect(db.prepare('SELECT path FROM sources').pluck().all()).toEqual(version > 0 ? ['/kept'] : []);
      db.close();
    }
  });

  test('a newer one is refused, and left as it is', () => {
    const path = join(tempDir(), 'device.db');
    const newer = new Database(path);
    newer.exec('CREATE TABLE from_the_future (x)');
    newer.pragma(`user_version = ${MIGRATIONS.length + 1}`);
    newer.close();
    expect(() => openDeviceDb(path)).toThrow(unusable);
    expect(() => openDeviceDb(path)).toThrow(/newer/);
    const after = new Database(path);
    expect(after.pragma('user_version', { simple: true })).toBe(MIGRATIONS.length + 1);
    expect(after.prepare('SELECT name FROM sqlite_schema').pluck().all()).toEqual(['from_the_future']);
    after.close();
  });

  test('a migration that fails half way leaves nothing of itself', () => {
    const path = join(tempDir(), 'device.db');
    const old = new Database(path);
    // The last table of the first migration is in the way.
    old.exec('CREATE TABLE snapshots (x)');
    old.close();
    expect(() => openDeviceDb(path)).toThrow(unusable);
    const after = new Database(path);
    expect(after.prepare('SELECT name FROM sqlite_schema').pluck().all()).toEqual(['snapshots']);
    expect(after.pragma('user_version', { simple: true })).toBe(0);
    after.close();
  });

  test('a migration that was released is never changed', () => {
    const sums = MIGRATIONS.map((sql) =>
      createHash('sha256').update(sql.replace(/--.*$/gm, '').replace(/\s+/g, ' ')).digest('hex').slice(0, 16),
    );
    expect(sums).toMatchInlineSnapshot(`
      [
        "2054ac5664823cb9",
        "10ac070ed463c5b4",
        "31e350f9420943bf",
        "28f5545f6f5a4ad4",
        "8d9e995eeedd6d1c",
        "5e6cfffde61f2ce7",
        "9e87fc8e4b813768",
        "57cdb7b18d62d250",
        "739e615e51a5b770",
      ]
    `);
  });
});

describe('what is no database of ours', () => {
  test('other bytes', () => {
    const path = join(tempDir(), 'device.db');
    writeFileSync(path, 'this is no database'.repeat(500));
    expect(() => openDeviceDb(path)).toThrow(expect.objectContaining({ code: 'state_damaged' }));
  });

  test('a damaged page', () => {
    const path = join(tempDir(), 'device.db');
    openDeviceDb(path).close();
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 4_096, 8_192);
    writeFileSync(path, bytes);
    expect(() => openDeviceDb(path)).toThrow(expect.objectContaining({ code: 'state_damaged' }));
  });

  test('is put aside with what belongs to it, and nothing is deleted', () => {
    const folder = tempDir();
    const path = join(folder, 'device.db');
    for (const ending of ['', '-wal']) writeFileSync(path + ending, `damaged${ending}`);
    putAside(path, Date.UTC(2026, 0, 2, 3, 4, 5));
    expect(readdirSync(folder).sort()).toEqual([
      'device.db.damaged-2026-01-02T03-04-05.000Z',
      'device.db.damaged-2026-01-02T03-04-05.000Z-wal',
    ]);
    openDeviceDb(path).close();
  });

  test('a folder that is not there', () => {
    expect(() => openDeviceDb(join(tempDir(), 'none', 'device.db'))).toThrow(unusable);
  });

  test('a folder', () => {
    expect(() => openDeviceDb(tempDir())).toThrow(unusable);
  });
});
