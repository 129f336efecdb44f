// A home as no program expects it: links, names, things that are no files, and a mount that blocks. Each is taken or told, and nothing hangs.
import { spawnSync } from 'node:child_process';
import {
  chownSync,
  lchownSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  type Ended,
  PROGRAM,
  type Running,
  removeServer,
  serverAndDevice,
  start,
  stop,
} from '../support/mailferry.ts';
import { lacksFuse, oneFileFuse } from '../support/one-file-fuse.ts';
import { lacks, lacksRoot, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

const lacking = lacksRoot() ?? lacks('mknod');

interface OddHome {
  readonly root: string;
  readonly home: string;
  readonly run: (...words: string[]) => Running;
  /** Backs up and waits; over the paths, or over all that is found. */
  readonly backup: (...paths: string[]) => Promise<Ended>;
  /** Makes a store; its path. */
  readonly store: (path: string) => string;
}

async function oddHome(): Promise<OddHome> {
  const root = tempDir();
  const home = join(root, 'home');
  mkdirSync(home);
  const { server, state } = await serverAndDevice(root);
  onTestFinished(() => removeServer(server));
  const env = { HOME: home, XDG_CONFIG_HOME: home };
  const run = (...words: string[]) => start(process.execPath, [PROGRAM, ...words, '--state', state], env);
  const store = (path: string) => {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, `a store: ${path}`);
    return path;
  };
  const backup = (...paths: string[]) =>
    run('backup', ...paths, '--wait', '--snapshot', 'live', '--json').ended;
  return { root, home, run, backup, store };
}

type Told = { readonly path: string; readonly text: string };
const byPath = (told: readonly Told[]) => Object.fromEntries(told.map(({ path, text }) => [path, text]));
const pathsOf = (versions: readonly { path: string }[]) => versions.map(({ path }) => path).sort();

describe('3.2, a home with odd things in it', () => {
  test(named("C1: links are followed to what is the same owner's, and told otherwise", lacking), async ({
    skip,
  }) => {
    skip(lacking !== null, lacking ?? '');
    const { root, home, run, backup, store } = await oddHome();
    const disk = join(root, 'disk');
    const stores = [
      store(join(disk, 'Docs', 'in documents.pst')),
      store(join(disk, 'Docs', 'deeper', 'b.pst')),
      store(join(disk, 'alone.pst')),
      store(join(home, 'own', 'c.pst')),
    ];
    symlinkSync(join(disk, 'Docs'), join(home, 'Documents'));
    // The same again, by another name and by a link to a link; a link into the home itself; and files.
    symlinkSync('../disk/Docs', join(home, 'again'));
    symlinkSync('again', join(home, 'twice'));
    symlinkSync('own', join(home, 'inner'));
    symlinkSync('own/c.pst', join(home, 'c again.pst'));
    symlinkSync('../disk/alone.pst', join(home, 'alone.pst'));
    // Loops: up to the home, between two folders outside of it, and a link to itself.
    symlinkSync('..', join(home, 'own', 'up'));
    mkdirSync(join(disk, 'ring'));
    symlinkSync('../Docs', join(disk, 'ring', 'docs'));
    symlinkSync(join(disk, 'ring'), join(disk, 'Docs', 'ring'));
    symlinkSync('itself', join(home, 'itself'));
    // Nothing, and a lock as Thunderbird makes one.
    symlinkSync('/nowhere/at all', join(home, 'nothing'));
    symlinkSync('gone.pst', join(home, 'gone link.pst'));
    symlinkSync('127.0.1.1:+4711', join(home, 'lock'));
    // Another user's: a folder, a file, and a link of another user to what is root's.
    store(join(disk, 'theirs', 'd.pst'));
    chownSync(join(disk, 'theirs'), 12_345, 12_345);
    chownSync(store(join(disk, 'their.pst')), 12_345, 12_345);
    symlinkSync(join(disk, 'theirs'), join(home, 'their folder'));
    symlinkSync(join(disk, 'their.pst'), join(home, 'their file.pst'));
    store(join(root, 'secret', 'e.pst'));
    symlinkSync(join(root, 'secret'), join(home, 'planted'));
    lchownSync(join(home, 'planted'), 12_345, 12_345);

    const first = await backup();
    expect(first.code).toBe(3);
    expect(pathsOf(first.json.versions)).toEqual([...stores].sort());
    const others = "a link that leads to another user's files";
    const told = {
      [join(home, 'itself')]: 'a link that leads back to itself',
      [join(home, 'nothing')]: 'a link that leads to nothing (/nowhere/at all)',
      [join(home, 'gone link.pst')]: 'a link that leads to nothing (gone.pst)',
      [join(home, 'their folder')]: others,
      [join(home, 'their file.pst')]: others,
      [join(home, 'planted')]: others,
    };
    expect(byPath(first.json.unread)).toEqual(told);
    expect(byPath((await run('status', '--json').ended).json.unread)).toEqual(told);
    const { skipped } = (await run('sources', '--json').ended).json;
    expect(byPath(skipped)).toMatchObject(told);
    // One source however it is reached, also where a path through a link is named.
    const again = await backup();
    expect(again.json).toMatchObject({ versions: [], unchanged: 4, failed: [] });
    expect((await backup(join(home, 'Documents'))).json).toMatchObject({ versions: [], failed: [] });
    expect((await backup(join(home, 'alone.pst'))).json).toMatchObject({ versions: [], unchanged: 1 });
  }, 180_000);

  test(named('C2, C5: names, and what is no file', lacking), async ({ skip }) => {
    skip(lacking !== null, lacking ?? '');
    const { home, backup, store } = await oddHome();
    const names = [
      'caf\u00e9.pst',
      'cafe\u0301.pst',
      '\u0628\u0631\u064a\u062f.pst',
      'a\u202eb.pst',
      'blank at end .pst',
    ];
    const stores = names.map((name) => store(join(home, name)));
    // A path of 4,000 bytes, of two bytes a character.
    let deep = home;
    while (Buffer.byteLength(deep) + 1 + 200 < 3_900) deep = join(deep, '\u017c'.repeat(100));
    const last = 4_000 - Buffer.byteLength(deep) - 1 - '.pst'.length;
    const long = join(deep, `${'x'.repeat(last)}.pst`);
    expect(Buffer.byteLength(long)).toBe(4_000);
    stores.push(store(long));
    const odd = (name: string) => Buffer.concat([Buffer.from(`${home}/`), Buffer.from(name, 'latin1')]);
    writeFileSync(odd('caf\xe9.pst'), 'latin 1');
    writeFileSync(odd('caf\xe8.pst'), 'latin 1, too');
    writeFileSync(odd('no mail \xe9.txt'), 'of no interest');
    mkdirSync(odd('b\xfccher'));
    writeFileSync(odd('b\xfccher/in.pst'), 'in latin 1');
    store(join(home, 'two\nlines.pst'));
    store(join(home, 'bell\u0007', 'in.pst'));
    expect(spawnSync('mknod', [join(home, 'fifo.pst'), 'p']).status).toBe(0);
    expect(spawnSync('mknod', [join(home, 'device.pst'), 'c', '1', '5']).status).toBe(0);
    const socket = createServer().listen(join(home, 'socket.pst'));
    onTestFinished(() => void socket.close());
    // Configuration that is none.
    mkdirSync(join(home, '.thunderbird'));
    expect(spawnSync('mknod', [join(home, '.thunderbird', 'profiles.ini'), 'p']).status).toBe(0);

    const { code, json } = await backup();
    expect(code).toBe(3);
    expect(json.failed).toEqual([]);
    expect(pathsOf(json.versions)).toEqual([...stores].sort());
    const noText = 'it could not be taken because its name is not valid UTF-8; rename it';
    const control =
      'it could not be taken because its path holds a control character, or is no Unicode; rename it';
    const noFile = 'it is a FIFO, a socket or a device, and not a regular file';
    expect(byPath(json.unread)).toEqual({
      [join(home, 'caf\\xe9.pst')]: noText,
      [join(home, 'caf\\xe8.pst')]: noText,
      [join(home, 'b\\xfccher')]: noText,
      [join(home, 'two\nlines.pst')]: control,
      [join(home, 'bell\u0007', 'in.pst')]: control,
      [join(home, 'fifo.pst')]: noFile,
      [join(home, 'device.pst')]: noFile,
      [join(home, 'socket.pst')]: noFile,
      [join(home, '.thunderbird', 'profiles.ini')]: 'it is a FIFO, and not a regular file',
    });

    // By name: told the same way, and nothing waits for who writes into a FIFO.
    const typed = async (name: string) => (await backup(join(home, name))).json.error.message;
    expect(await typed('fifo.pst')).toContain('it is a FIFO, and not a regular file');
    expect(await typed('device.pst')).toContain('it is a device, and not a regular file');
    expect(await typed('caf\ufffd.pst')).toContain(noText);
    expect(await typed('b\ufffdcher/in.pst')).toContain(noText);
    expect(await typed('two\nlines.pst')).toContain(control);
    expect(await typed('not there.pst')).toContain('is not there');
  }, 180_000);

  test(named(
    'C5: a known source that became a FIFO or a device is told, and the others are taken',
    lacking,
  ), async ({ skip }) => {
    skip(lacking !== null, lacking ?? '');
    const { home, backup, store } = await oddHome();
    const [was, other] = [store(join(home, 'was.pst')), store(join(home, 'other.pst'))];
    expect((await backup()).code).toBe(0);
    rmSync(was);
    expect(spawnSync('mknod', [was, 'p']).status).toBe(0);
    writeFileSync(other, 'another state');
    const { code, json } = await backup();
    expect(code).toBe(3);
    expect(pathsOf(json.versions)).toEqual([other]);
    expect(json.failed).toEqual([
      { path: was, code: 'source_not_a_file', message: `${was} is a FIFO, and not a regular file.` },
    ]);
  }, 120_000);

  test('what vanishes while it is looked for ends nothing', async () => {
    const { home, backup, store } = await oddHome();
    const stays = store(join(home, 'zz', 'stays.pst'));
    for (let n = 0; n < 200; n++) store(join(home, `folder ${n}`, 'deeper', 'note.txt'));
    let n = 0;
    const vanish = setInterval(() => {
      renameSync(join(home, `folder ${n % 200}`), join(home, `moved ${n}`));
      rmSync(join(home, `moved ${n}`), { recursive: true });
      if (++n === 200) clearInterval(vanish);
    }, 2);
    const { json } = await backup();
    clearInterval(vanish);
    expect(pathsOf(json.versions)).toEqual([stays]);
    expect(json.failed).toEqual([]);
  }, 120_000);
});

describe('3.2, a mount that blocks', () => {
  const without = lacksFuse();

  test.skipIf(without !== null).each(['stopped', 'silent'] as const)(
    named('C5: %s: told, the other stores are taken, and a request to end is heard', without),
    async (how) => {
      const { root, home, run, backup, store } = await oddHome();
      const backing = store(join(root, 'backing'));
      const near = store(join(home, 'near.pst'));
      const fuse = await oneFileFuse(join(home, 'a mount'), backing);
      symlinkSync('a mount', join(home, 'leads there'));
      symlinkSync(fuse.path, join(root, 'linked.pst'));

      // While it answers it is a folder like any other, also through links.
      const first = await backup();
      expect(first.json).toMatchObject({ unread: [], failed: [] });
      expect(pathsOf(first.json.versions)).toEqual([fuse.path, near].sort());
      expect((await backup(join(root, 'linked.pst'))).json).toMatchObject({ versions: [], unchanged: 1 });

      writeFileSync(near, 'another state');
      fuse.block(how);
      const { code, json } = await backup();
      expect(code).toBe(3);
      expect(pathsOf(json.versions)).toEqual([near]);
      expect(json.failed).toEqual([
        { path: fuse.path, code: 'source_silent', message: expect.stringContaining('does not answer') },
      ]);
      const text = "it can't be looked into (it does not answer)";
      expect(json.unread).toContainEqual({ path: join(home, 'a mount'), text });
      expect((await run('status', '--json').ended).json.unread).toContainEqual({
        path: join(home, 'a mount'),
        text,
      });
      expect((await run('sources').ended).stdout).toContain(text);

      for (const words of [
        ['backup', '--wait', '--snapshot', 'live'],
        ['sources'],
        ['agent', '--snapshot', 'live'],
      ]) {
        const running = run(...words);
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        const asked = performance.now();
        await stop(running);
        expect(performance.now() - asked).toBeLessThan(5_000);
      }

      // It answers again some day: by a new mount, here.
      fuse.end();
      const back = await oneFileFuse(join(home, 'a mount'), backing);
      utimesSync(backing, new Date(), new Date(Date.now() - 60_000));
      expect(basename(back.path)).toBe('known.pst');
      expect(await backup()).toMatchObject({ code: 0, json: { unread: [], failed: [] } });
    },
    240_000,
  );
});
