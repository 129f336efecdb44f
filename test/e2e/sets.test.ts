// A mail program's database with its log: taken out of one snapshot, and back as they were together, never mixed.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { btrfsVolume, lacksBtrfs } from '../support/btrfs-volume.ts';
import { PROGRAM, serverAndDevice, start, stop } from '../support/mailferry.ts';
import { named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

/** A Thunderbird profile below `home`, whose address book is open and keeps its newest changes in a log. */
function profileIn(home: string) {
  const profile = join(home, '.thunderbird', 'p.default');
  mkdirSync(profile, { recursive: true });
  writeFileSync(
    join(home, '.thunderbird', 'profiles.ini'),
    '[Profile0]\nName=a\nIsRelative=1\nPath=p.default\n',
  );
  writeFileSync(join(profile, 'prefs.js'), '');
  const path = join(profile, 'abook.sqlite');
  const db = new Database(path);
  onTestFinished(() => void db.close());
  db.pragma('journal_mode = WAL');
  db.pragma('wal_autocheckpoint = 0');
  db.exec('CREATE TABLE cards (name TEXT)');
  db.pragma('wal_checkpoint(TRUNCATE)');
  const add = (name: string) => db.prepare('INSERT INTO cards VALUES (?)').run(name);
  return { profile, path, db, add };
}

/** Names in a restored address book; it has to be sound. */
function namesIn(path: string): string[] {
  const db = new Database(path);
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    return db.prepare('SELECT name FROM cards ORDER BY name').pluck().all() as string[];
  } finally {
    db.close();
  }
}

const pathsOf = (json: { versions: { path: string }[] }) => json.versions.map(({ path }) => path).sort();

describe('a database and its log', () => {
  test('come back as they were together, at every time', async () => {
    const root = tempDir();
    const { server, state } = await serverAndDevice(root);
    const home = join(root, 'home');
    const { profile, path, db, add } = profileIn(home);
    const run = (...words: string[]) =>
      start(process.execPath, [PROGRAM, ...words, '--state', state, '--json'], { HOME: home }).ended;
    const backup = async () => {
      const ended = await run('backup', '--wait', '--snapshot', 'live');
      expect(ended).toMatchObject({ code: 0, json: { failed: [] } });
      return ended.json;
    };
    const list = `set:${profile}`;
    add('first');
    expect(pathsOf(await backup())).toEqual(
      [
        path,
        `${path}-wal`,
        join(profile, 'prefs.js'),
        join(home, '.thunderbird', 'profiles.ini'),
        list,
      ].sort(),
    );
    const afterFirst = new Date().toISOString();
    expect(pathsOf(await backup())).toEqual([]);

    // Only the log grows: of the set only it is read and sent.
    add('second');
    expect(pathsOf(await backup())).toEqual([`${path}-wal`, list]);
    const afterSecond = new Date().toISOString();

    // Closed: the log is gone, and nothing is missed for it.
    add('third');
    db.close();
    expect(existsSync(`${path}-wal`)).toBe(false);
    expect(pathsOf(await backup())).toEqual([path, list]);
    expect(pathsOf(await backup())).toEqual([]);

    const restored = async (name: string, ...words: string[]) => {
      const to = join(root, name);
      expect(await run('restore', '--kind', 'mail-client', '--to', to, ...words)).toMatchObject({ code: 0 });
      return join(to, path);
    };
    const newest = await restored('newest');
    expect(existsSync(`${newest}-wal`)).toBe(false);
    expect(namesIn(newest)).toEqual(['first', 'second', 'third']);
    expect(namesIn(await restored('second', '--at', afterSecond))).toEqual(['first', 'second']);
    expect(namesIn(await restored('first', '--at', afterFirst))).toEqual(['first']);

    // At its place: an older state does not get the newer log of what is there.
    const open = new Database(path);
    onTestFinished(() => void open.close());
    open.prepare('INSERT INTO cards VALUES (?)').run('unsaved');
    const kept = await run('restore', '--kind', 'mail-client', '--at', afterSecond);
    expect(kept.code).not.toBe(0);
    open.close();
    const replaced = await run('restore', '--kind', 'mail-client', '--at', afterSecond, '--overwrite');
    expect(replaced.code).toBe(0);
    expect(namesIn(path)).toEqual(['first', 'second']);

    // One file by its path: the log of what is there is not taken for its own, at its place or elsewhere.
    const elsewhere = join(root, 'elsewhere.sqlite');
    writeFileSync(`${elsewhere}-wal`, 'of another');
    for (const more of [[], ['--overwrite']])
      expect(await run('restore', path, '--to', elsewhere, ...more)).toMatchObject({
        code: 1,
        json: { error: { code: 'target_exists', message: expect.stringContaining(`${elsewhere}-wal`) } },
      });
    const again = new Database(path);
    onTestFinished(() => void again.close());
    again.prepare('INSERT INTO cards VALUES (?)').run('not saved either');
    expect(await run('restore', path)).toMatchObject({ code: 1, json: { restored: [] } });
    const alone = await run('restore', path, '--overwrite');
    expect(alone).toMatchObject({ code: 0, json: { restored: [{ to: path }] } });
    again.close();
    expect(namesIn(path)).toEqual(['first', 'second', 'third']);
    await stop(server);
  });

  const missing = lacksBtrfs();
  test.skipIf(missing)(named('are read out of one snapshot', missing), async () => {
    const root = tempDir();
    const { server, state } = await serverAndDevice(root);
    const home = join(btrfsVolume(root, 268_435_456), 'home');
    const { path, db, add } = profileIn(home);
    add('first');
    const run = (...words: string[]) =>
      start(process.execPath, [PROGRAM, ...words, '--state', state, '--json'], { HOME: home }).ended;
    const backup = await run('backup', '--wait');
    expect(backup).toMatchObject({ code: 0, json: { failed: [], snapshots: 1 } });
    const { json } = await run('versions');
    const taken = json.versions.map(({ takenAt }: { takenAt: string }) => takenAt);
    expect(taken).toHaveLength(5);
    expect(new Set(taken).size).toBe(1);
    const to = join(root, 'to');
    await run('restore', '--kind', 'mail-client', '--to', to);
    expect(namesIn(join(to, path))).toEqual(['first']);
    db.close();
    await stop(server);
  });
});
