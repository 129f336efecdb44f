// The catalogue's database: durable settings that are really in force, the steps of its shape, and who sees which rows.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Catalogue } from '../../server/catalogue/catalogue.ts';
import { MIGRATIONS } from '../../server/catalogue/migrations.ts';
import { migrate, openSqlite } from '../../server/catalogue/sqlite.ts';
import { lockDirectory } from '../../server/directory-lock.ts';

let root: string;
let made = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'mailferry-catalogue-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));
const file = (): string => join(root, `${made++}.db`);

describe('a connection', () => {
  it('keeps a commit through a power cut: settings are in force after reads and writes', () => {
    const db = openSqlite(file());
    db.exec('CREATE TABLE t (a) STRICT'.replace('(a)', '(a INTEGER)'));
    db.exec('INSERT INTO t VALUES (1)');
    db.prepare('SELECT a FROM t').get();
    const settings = [
      'journal_mode',
      'synchronous',
      'foreign_keys',
      'trusted_schema',
      'cell_size_check',
      'busy_timeout',
    ];
    expect(settings.map((name) => db.pragma(name, { simple: true }))).toEqual(['wal', 2, 1, 0, 1, 5_000]);
    db.close();
  });

  it('refuses a file that is no database, and closes it', () => {
    const path = file();
    new Database(path).close();
    expect(() => openSqlite(join(root, 'missing', 'x.db'))).toThrow();
    openSqlite(path).close();
  });
});

describe('its shape', () => {
  it('is reached in steps, once, all of a step or nothing, and never from a newer one', () => {
    const db = openSqlite(file());
    const steps = [
      'CREATE TABLE a (x INTEGER) STRICT',
      'CREATE TABLE b (x INTEGER) STRICT; INSERT INTO a VALUES (1)',
    ];
    migrate(db, steps.slice(0, 1));
    migrate(db, steps);
    migrate(db, steps);
    expect(db.prepare('SELECT count(*) FROM a').pluck().get()).toBe(1);
    expect(() => migrate(db, [...steps, 'CREATE TABLE c (x INTEGER) STRICT; nonsense'])).toThrow();
    expect(db.pragma('user_version', { simple: true })).toBe(2);
    expect(db.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'c'").pluck().get()).toBe(0);
    expect(() => migrate(db, steps.slice(0, 1))).toThrow(expect.objectContaining({ code: 'state_unusable' }));
    db.close();
  });

  it('has only strict tables', () => {
    const db = openSqlite(file());
    migrate(db, MIGRATIONS);
    const tables = db.prepare(
      "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'",
    );
    for (const row of tables.all()) expect(row).toMatchObject({ strict: 1 });
    db.close();
  });
});

describe('rows', () => {
  it('are those of a device only, whatever another asks', async () => {
    const catalogue = new Catalogue(root);
    const devices = ['a', 'b'].map((letter) => letter.repeat(32));
    await catalogue.enrolment.addToken(new Uint8Array(32), 2, 10);
    for (const [index, id] of devices.entries()) {
      const credential = new Uint8Array(32).fill(index);
      await catalogue.enrolment.redeem(
        new Uint8Array(32),
        { id, name: id, credential, createdAt: '' },
        { now: 5, by: undefined },
      );
    }
    const [a, b] = devices.map((device) => catalogue.forDevice(device));
    const pack = { id: 'ab'.repeat(32), kind: 'pack' as const, stored: 1, raw: 1 };
    const row = await a!.packs.add(pack);
    expect(await a!.packs.add(pack)).toBe(row);
    expect(await b!.packs.byRow(row)).toBeUndefined();
    expect((await b!.packs.known([pack.id])).size).toBe(0);
    expect(await b!.packs.add(pack)).not.toBe(row);
    const [first, second] = [await a!.pages.add([Buffer.from('x')]), await b!.pages.add([Buffer.from('y')])];
    expect([...(await a!.pages.get([first, second])).keys()]).toEqual([first]);
    const upload = { id: 'cd'.repeat(16), kind: 'pack' as const, length: 5, metadata: {}, createdAt: '' };
    await a!.uploads.add(upload);
    expect(await b!.uploads.get(upload.id)).toBeUndefined();
    await b!.uploads.remove(upload.id);
    await b!.uploads.finish(upload.id);
    expect(await a!.uploads.get(upload.id)).toMatchObject({ finished: false });
    await catalogue.close();
  });

  it('of a transaction are all there or none', async () => {
    const catalogue = new Catalogue(root);
    const rows = catalogue.forDevice('a'.repeat(32));
    const pack = { id: 'ef'.repeat(32), kind: 'pack' as const, stored: 1, raw: 1 };
    const failing = rows.transaction(async (inside) => {
      await inside.packs.add(pack);
      throw new Error('cut');
    });
    await expect(failing).rejects.toThrow('cut');
    expect(await rows.packs.get(pack.id, 'pack')).toBeUndefined();
    await catalogue.close();
  });
});

describe('the lock of a directory', () => {
  it('is held by one, and free when that one lets go', () => {
    const unlock = lockDirectory(root);
    expect(() => lockDirectory(root)).toThrow(expect.objectContaining({ code: 'state_locked' }));
    unlock();
    lockDirectory(root)();
  });
});
