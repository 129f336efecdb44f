// Where the device's state lies, who it is, and that one process works there, however that process ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  defaultStateRoot,
  type Identity,
  loadIdentity,
  lockState,
  saveIdentity,
  statePaths,
} from '../../../client/state/state-directory.ts';
import { tempDir } from '../../support/temp-dir.ts';

const identity: Identity = {
  server: 'https://mail.example',
  device: 'aa'.repeat(16),
  credential: 'secret',
  receiptKey: '-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n',
  secret: '07'.repeat(32),
};

const locked = expect.objectContaining({ code: 'state_locked', retry: 'later' });

/** Another process that holds the lock, by the same function as it is built, until it is killed. */
async function holder(root: string): Promise<ChildProcess> {
  const built = pathToFileURL(
    fileURLToPath(new URL('../../../dist/client/state/state-directory.js', import.meta.url)),
  ).href;
  const program = `
    const { lockState, statePaths } = await import(${JSON.stringify(built)});
    globalThis.unlock = lockState(statePaths(${JSON.stringify(root)}));
    console.log('locked');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await Promise.race([
    once(child.stdout!, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error('the holder ended'))),
  ]);
  return child;
}

describe('the lock', () => {
  test('a second process is refused, at once, as long as the first lives', async () => {
    const paths = statePaths(tempDir());
    await holder(paths.root);
    const before = performance.now();
    expect(() => lockState(paths)).toThrow(locked);
    expect(() => lockState(paths)).toThrow(locked);
    expect(performance.now() - before).toBeLessThan(500);
  });

  test('ends with its holder, also by kill -9', async () => {
    const paths = statePaths(tempDir());
    const child = await holder(paths.root);
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockState(paths)();
  });

  test('is let go by the function that came of it, and only once', () => {
    const paths = statePaths(tempDir());
    const unlock = lockState(paths);
    expect(() => lockState(paths)).toThrow(locked);
    unlock();
    const again = lockState(paths);
    unlock();
    expect(() => lockState(paths)).toThrow(locked);
    again();
  });

  test('is one a directory', () => {
    const [a, b] = [lockState(statePaths(tempDir())), lockState(statePaths(tempDir()))];
    a();
    b();
  });

  test('the one that was refused did no harm: the holder goes on holding', async () => {
    const paths = statePaths(tempDir());
    const unlock = lockState(paths);
    for (let i = 0; i < 50; i++) expect(() => lockState(paths)).toThrow(locked);
    await expect(holder(paths.root)).rejects.toThrow('the holder ended');
    unlock();
  });

  test('a lock file that is none is not said to be another process', () => {
    const paths = statePaths(tempDir());
    writeFileSync(paths.lock, 'this is no database'.repeat(1_000));
    expect(() => lockState(paths)).toThrow(expect.objectContaining({ code: 'state_unusable' }));
  });
});

describe('where state lies by default', () => {
  test.each([
    ['linux', { MAILFERRY_STATE: '/s', XDG_STATE_HOME: '/x' }, '/s'],
    ['linux', {}, '/h/.local/state/mailferry'],
    ['linux', { XDG_STATE_HOME: '/x' }, '/x/mailferry'],
    ['darwin', {}, '/h/.local/state/mailferry'],
    ['linux', { MAILFERRY_STATE: '' }, '/h/.local/state/mailferry'],
    // "If $XDG_STATE_HOME is either not set or empty, a default [...] should be used" (XDG Base Directory Specification).
    ['linux', { XDG_STATE_HOME: '' }, '/h/.local/state/mailferry'],
  ])('%s with %j', (platform, env, expected) => {
    expect(defaultStateRoot(platform, env, '/h')).toBe(expected);
  });

  test.each([
    [{ ProgramData: 'D:\\Data' }, /^D:\\Data.Mailferry$/],
    [{}, /^C:\\ProgramData.Mailferry$/],
    [{ MAILFERRY_STATE: 'E:\\s' }, /^E:\\s$/],
  ])('win32 with %j', (env, expected) => {
    expect(defaultStateRoot('win32', env, 'C:\\h')).toMatch(expected);
  });

  test('everything lies in the root', () => {
    const { root, ...inside } = statePaths('/s');
    expect(root).toBe('/s');
    for (const path of Object.values(inside)) expect(path).toMatch(/^\/s\//);
    expect(new Set(Object.values(inside)).size).toBe(Object.keys(inside).length);
  });
});

describe('the identity', () => {
  test('comes back as it was saved, readable by its owner only, in folders that are made', async () => {
    const paths = statePaths(join(tempDir(), 'not', 'there', 'yet'));
    await saveIdentity(paths, identity);
    expect(await loadIdentity(paths)).toEqual(identity);
    expect(statSync(paths.identity).mode & 0o777).toBe(0o600);
    expect(statSync(paths.root).mode & 0o777).toBe(0o700);
  });

  test('is nobody before it is saved', async () => {
    await expect(loadIdentity(statePaths(tempDir()))).rejects.toMatchObject({ code: 'not_enrolled' });
  });

  test('is somebody also for those who are not let in', async (context) => {
    context.skip(process.getuid?.() !== 0, 'it takes root to become somebody else');
    const root = join(tempDir(), 'state');
    await saveIdentity(statePaths(root), identity);
    chmodSync(root, 0o700);
    process.seteuid!(65_534);
    try {
      await expect(loadIdentity(statePaths(root))).rejects.toMatchObject({ code: 'state_unusable' });
    } finally {
      process.seteuid!(0);
    }
  });

  test('saved again replaces the first whole, and leaves nothing beside it', async () => {
    const paths = statePaths(tempDir());
    await saveIdentity(paths, { ...identity, server: `https://${'long'.repeat(100)}.example` });
    await saveIdentity(paths, identity);
    expect(await loadIdentity(paths)).toEqual(identity);
    expect(existsSync(`${paths.identity}.new`)).toBe(false);
  });

  test('stays secret where something readable lay beside it', async () => {
    const paths = statePaths(tempDir());
    writeFileSync(`${paths.identity}.new`, 'left by a process that died');
    chmodSync(`${paths.identity}.new`, 0o644);
    await saveIdentity(paths, identity);
    expect(statSync(paths.identity).mode & 0o777).toBe(0o600);
  });

  test.each(['', '{', 'null', '[]', '{}', '{"server": 1}'])(
    'a file that holds %j is unusable, and says so',
    async (text) => {
      const paths = statePaths(tempDir());
      writeFileSync(paths.identity, text);
      await expect(loadIdentity(paths)).rejects.toMatchObject({ code: 'state_unusable' });
    },
  );
});

describe('an identity that is sealed', () => {
  const keeper = {
    seal: async (text: string) => Buffer.from(text).toString('base64'),
    open: async (sealed: string) => Buffer.from(sealed, 'base64').toString(),
  };

  test('comes back whole, and its secrets are not in the file', async () => {
    const paths = statePaths(tempDir(), keeper);
    await saveIdentity(paths, identity);
    const text = readFileSync(paths.identity, 'utf8');
    expect(text).not.toContain(identity.credential);
    expect(text).not.toContain(identity.secret);
    expect(await loadIdentity(paths)).toEqual(identity);
  });

  test('one from before it could be sealed is still read', async () => {
    const root = tempDir();
    await saveIdentity(statePaths(root), identity);
    expect(await loadIdentity(statePaths(root, keeper))).toEqual(identity);
  });

  test.each([
    ['nothing opens it', null],
    ['another machine sealed it', { ...keeper, open: async () => Promise.reject(new Error('DPAPI')) }],
  ])('where %s it is refused, and stays', async (_, other) => {
    const paths = statePaths(tempDir(), keeper);
    await saveIdentity(paths, identity);
    const before = readFileSync(paths.identity, 'utf8');
    await expect(loadIdentity(statePaths(paths.root, other))).rejects.toMatchObject({
      code: 'state_unusable',
    });
    expect(readFileSync(paths.identity, 'utf8')).toBe(before);
  });

  test('a machine that fails to seal keeps nothing in the clear', async () => {
    const paths = statePaths(tempDir(), { ...keeper, seal: async () => Promise.reject(new Error('DPAPI')) });
    await expect(saveIdentity(paths, identity)).rejects.toThrow('DPAPI');
    expect(existsSync(paths.identity)).toBe(false);
  });
});
