// Files that are whole or not there.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { makeDirectory, removeDurably, syncDirectory, writeDurably } from '../../client/durable-file.ts';
import { openFilesBelow } from '../support/client/open-files.ts';
import { tempDir } from '../support/temp-dir.ts';

const built = pathToFileURL(
  fileURLToPath(new URL('../../dist/client/durable-file.js', import.meta.url)),
).href;

/** The folders that `work` brought to the disk, in that order. */
async function foldersSynced(work: () => Promise<void>): Promise<string[]> {
  const folder = await open('.', 'r');
  const handle = Object.getPrototypeOf(folder) as FileHandle;
  await folder.close();
  const { sync } = handle;
  const synced: string[] = [];
  const watched = vi.spyOn(handle, 'sync').mockImplementation(function (this: FileHandle) {
    synced.push(readlinkSync(`/proc/self/fd/${this.fd}`));
    return sync.call(this);
  });
  await work().finally(() => watched.mockRestore());
  return synced;
}

describe('writing', () => {
  test('text and bytes, anew and over what was there; nothing stays beside it or open', async () => {
    const folder = tempDir();
    const path = join(folder, 'a');
    await writeDurably(path, 'long long text');
    await writeDurably(path, 'short');
    expect(readFileSync(path, 'utf8')).toBe('short');
    await writeDurably(path, Uint8Array.of(1, 2, 3));
    expect([...readFileSync(path)]).toEqual([1, 2, 3]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['a']);
    expect(openFilesBelow(folder)).toEqual([]);
  });

  test('goes over what a process that died left beside it', async () => {
    const path = join(tempDir(), 'a');
    writeFileSync(`${path}.new`, 'x'.repeat(10_000));
    await writeDurably(path, 'new');
    expect(readFileSync(path, 'utf8')).toBe('new');
  });

  test('fails where there is no folder, and leaves no file open', async () => {
    const folder = tempDir();
    await expect(writeDurably(join(folder, 'none', 'a'), 'x')).rejects.toMatchObject({ code: 'ENOENT' });
    mkdirSync(join(folder, 'taken', 'inner'), { recursive: true });
    await expect(writeDurably(join(folder, 'taken'), 'x')).rejects.toMatchObject({
      code: expect.stringMatching(/EISDIR|ENOTEMPTY|EEXIST/),
    });
    expect(openFilesBelow(folder)).toEqual([]);
  });

  test('a process killed while it writes leaves the old content or the new', async () => {
    const path = join(tempDir(), 'a');
    await writeDurably(path, JSON.stringify({ n: -1, pad: '' }));
    const program = `
      const { writeDurably } = await import(${JSON.stringify(built)});
      console.log('writing');
      for (let n = 0; ; n++) await writeDurably(${JSON.stringify(path)}, JSON.stringify({ n, pad: 'x'.repeat(n % 50_000) }));`;
    for (let kill = 0; kill < 3; kill++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      await new Promise((resolve) => setTimeout(resolve, 20 + 17 * kill));
      child.kill('SIGKILL');
      await once(child, 'exit');
      const { n, pad } = JSON.parse(readFileSync(path, 'utf8'));
      expect(pad).toHaveLength(Math.max(0, n) % 50_000);
    }
  });
});

describe('folders', () => {
  test('are made with what is above them, for the owner only, and a second time for nothing', async () => {
    const root = tempDir();
    const path = join(root, 'a', 'b', 'c');
    await makeDirectory(path);
    await makeDirectory(path);
    for (const each of ['a', 'a/b', 'a/b/c']) expect(statSync(join(root, each)).mode & 0o777).toBe(0o700);
  });

  test('keep the mode they had', async () => {
    const root = tempDir();
    mkdirSync(join(root, 'a'));
    chmodSync(join(root, 'a'), 0o755);
    await makeDirectory(join(root, 'a', 'b'));
    expect(statSync(join(root, 'a')).mode & 0o777).toBe(0o755);
  });

  test('are durable before there is anything in them, also those of a process that died before it saw to that', async () => {
    const root = tempDir();
    mkdirSync(join(root, 'a'));
    expect(await foldersSynced(() => makeDirectory(join(root, 'a')))).toEqual([root]);
    const below = ['', 'a', 'a/b'].map((each) => join(root, each));
    expect(await foldersSynced(() => makeDirectory(join(root, 'a', 'b', 'c')))).toEqual(below);
  });

  test('fail where a file is in the way', async () => {
    const root = tempDir();
    writeFileSync(join(root, 'a'), '');
    await expect(makeDirectory(join(root, 'a', 'b'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  // In a process of its own: one that never ends must not take the tests with it.
  const make = (path: string, cwd: string) => {
    const program = `
      const { makeDirectory } = await import(${JSON.stringify(built)});
      await makeDirectory(${JSON.stringify(path)});`;
    const options = { cwd, timeout: 3_000, encoding: 'utf8' } as const;
    return spawnSync(process.execPath, ['--input-type=module', '-e', program], options);
  };

  test.each(['s', 'state', './s', 'a/b', 's/'])('%j, as --state may be given, is made', (relative) => {
    const cwd = tempDir();
    const { status } = make(relative, cwd);
    expect(existsSync(join(cwd, relative))).toBe(true);
    expect(status).toBe(0);
  });

  test('fail, and do not hang, where the system makes none', () => {
    expect(make('/proc/none/state', tempDir())).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('ENOENT'),
    });
  });
});

describe('removing', () => {
  test('files, folders with all in them, and nothing', async () => {
    const root = tempDir();
    mkdirSync(join(root, 'a', 'b'), { recursive: true });
    writeFileSync(join(root, 'a', 'b', 'c'), 'x');
    writeFileSync(join(root, 'd'), 'x');
    for (const name of ['a', 'd', 'never', 'never/there']) await removeDurably(join(root, name));
    expect(readdirSync(root)).toEqual([]);
  });

  test('what a link points to stays', async () => {
    const root = tempDir();
    mkdirSync(join(root, 'kept'));
    writeFileSync(join(root, 'kept', 'file'), 'x');
    const { symlinkSync } = await import('node:fs');
    mkdirSync(join(root, 'a'));
    symlinkSync(join(root, 'kept'), join(root, 'a', 'link'));
    await removeDurably(join(root, 'a'));
    expect(readdirSync(join(root, 'kept'))).toEqual(['file']);
  });
});

test('syncing a folder that is not there fails, and leaves nothing open', async () => {
  const root = tempDir();
  await syncDirectory(root);
  await expect(syncDirectory(join(root, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  expect(openFilesBelow(root)).toEqual([]);
});
