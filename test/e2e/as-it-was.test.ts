// C10: what comes back is the file as it was: its holes, its owner and permissions, its time; and a folder is no place for it.
import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256Of } from '../support/mail-file.ts';
import { mailferry, mailferryOk, type RunningServer, serverAndDevice, stop } from '../support/mailferry.ts';
import { lacksRoot, named } from '../support/programs.ts';

let root: string;
let server: RunningServer;
let state: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'mailferry-test-'));
  ({ server, state } = await serverAndDevice(root));
});
afterAll(async () => {
  if (server) await stop(server);
  rmSync(root, { recursive: true, force: true });
});

const backUp = (path: string) =>
  mailferryOk('backup', path, '--wait', '--snapshot', 'live', '--state', state, '--json');
const restore = (...words: string[]) => mailferryOk('restore', ...words, '--state', state, '--json');

test('C10: a sparse file of 1 GiB comes back sparse, also over what a cut restore left', {
  timeout: 120_000,
}, async () => {
  const path = join(root, 'sparse.dat');
  const size = 1_073_741_824;
  const file = openSync(path, 'w');
  ftruncateSync(file, size);
  for (let number = 0; number < 77; number++) {
    // Data alone, at the start and the end of what the file system allots at once, and across it.
    const at = [0, 4_000, 13 * 1_048_576 - 7][number % 3]! + number * 13_000_000;
    writeSync(file, Buffer.alloc(4_000, number + 1), 0, 4_000, at);
  }
  closeSync(file);
  await backUp(path);
  const to = join(root, 'sparse.back');
  const { json } = await restore(path, '--to', to);
  expect(json.sha256).toBe(await sha256Of(path));
  expect(await sha256Of(to)).toBe(json.sha256);
  expect(statSync(to).size).toBe(size);
  // Blocks of 512 bytes: at most four times what the data takes.
  expect(statSync(to).blocks * 512).toBeLessThan(4 * 77 * 8_192);
});

test(named('C10: owner and mode come back, or stay those of a new file', lacksRoot()), {
  skip: lacksRoot() !== null,
}, async () => {
  const path = join(root, 'owned.dat');
  writeFileSync(path, 'mine');
  chownSync(path, 1_234, 1_234);
  chmodSync(path, 0o6_640);
  await backUp(path);
  const to = join(root, 'owned.back');
  await restore(path, '--to', to);
  // Never the bits that lend a program its owner's rights.
  expect(statSync(to)).toMatchObject({ uid: 1_234, gid: 1_234, mode: 0o100_640 });
  const plain = join(root, 'owned.plain');
  await restore(path, '--to', plain, '--no-owner');
  expect(statSync(plain)).toMatchObject({ uid: 0, mode: 0o100_600 });
});

test.each([
  '1969-12-31T23:59:58.500Z',
  '1901-01-01T00:00:00.123Z',
  '2106-02-07T06:28:17.007Z',
  '2020-02-29T23:59:59.777Z',
])('C10: the time of last writing comes back: %s', async (time) => {
  const path = join(root, `time-${Date.parse(time)}`);
  writeFileSync(path, time);
  utimesSync(path, new Date(time), new Date(time));
  const written = statSync(path).mtime.toISOString();
  await backUp(path);
  const to = `${path}.back`;
  await restore(path, '--to', to);
  expect(statSync(to).mtime.toISOString()).toBe(written);
});

test('C10: a folder is no place for a file: one sentence, nothing written, also with --overwrite', async () => {
  const path = join(root, 'any.dat');
  writeFileSync(path, 'any');
  await backUp(path);
  const folder = join(root, 'folder');
  mkdirSync(folder);
  for (const more of [[], ['--overwrite']]) {
    const ended = await mailferry('restore', path, '--to', folder, ...more, '--state', state, '--json').ended;
    expect(ended.code).toBe(1);
    expect(ended.json.error).toMatchObject({ code: 'target_refused' });
    expect(ended.json.error.message).toContain('is a folder');
    expect(ended.stdout + ended.stderr).not.toContain('EISDIR');
  }
  expect(readdirSync(folder)).toEqual([]);
  expect(readdirSync(root).filter((name) => name.includes('mailferry-part'))).toEqual([]);
});

test('C16: a file that is read-only is replaced with --overwrite, and only so', async () => {
  const path = join(root, 'read-only.dat');
  writeFileSync(path, 'new');
  await backUp(path);
  const to = join(root, 'read-only.back');
  writeFileSync(to, 'old');
  chmodSync(to, 0o400);
  expect(
    (await mailferry('restore', path, '--to', to, '--state', state, '--json').ended).json.error.code,
  ).toBe('target_exists');
  await restore(path, '--to', to, '--overwrite');
  expect(await sha256Of(to)).toBe(await sha256Of(path));
});
