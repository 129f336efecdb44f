/*
 * A laptop that still has 0.1 (commit 2b4f09c) and a server that is new: the real old program, built in the folder that MAILFERRY_0_1
 * names, run by the Node of MAILFERRY_0_1_NODE (20, which its better-sqlite3 was built for).
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { changeMailFile, makeMailFile, sha256Of } from '../support/mail-file.ts';
import { mailferryOk, start, startServer, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

const OLD = process.env.MAILFERRY_0_1 ?? '';
const PROGRAM = join(OLD, 'dist', 'client', 'mailferry.js');
const lacksOld =
  OLD !== '' && existsSync(PROGRAM) ? null : 'MAILFERRY_0_1 names no folder with a build of commit 2b4f09c';

/** Runs the old program to its end and expects exit code 0; its last line. */
async function old(...words: string[]) {
  const { code, stdout, stderr, json } = await start(process.env.MAILFERRY_0_1_NODE ?? 'node', [
    PROGRAM,
    ...words,
  ]).ended;
  if (code !== 0) throw new Error(`0.1 ${words.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`);
  return json;
}

test('2.3: a device of 0.1 backs up to, goes on with, verifies and restores from the new server; then it is updated', {
  timeout: 300_000,
}, async (context) => {
  context.skip(lacksOld !== null, lacksOld ?? '');
  const root = tempDir();
  const [data, state] = [join(root, 'data'), join(root, 'state')];
  const stores = [
    { path: join(root, 'mail.pst'), size: 94_000_000 },
    { path: join(root, 'small.pst'), size: 300_000 },
  ];
  const server = await startServer(data);
  const proxy = await ChaosProxy.start(server.port);
  onTestFinished(async () => {
    await proxy.close();
    await stop(server);
  });
  const { json } = await mailferryOk('server', 'token', 'create', '--data', data, '--json');
  await old('enroll', '--server', proxy.url, '--token', json.token, '--state', state, '--json');
  const paths = stores.map(({ path }) => path);
  for (const [seed, { path, size }] of stores.entries()) makeMailFile(path, size, seed + 1);
  const backup = () => old('backup', ...paths, '--wait', '--snapshot', 'live', '--state', state, '--json');
  const asItIs = async (run: typeof old, path: string, name: string) => {
    const to = join(root, name);
    await run('restore', path, '--to', to, '--state', state, '--json');
    expect(await sha256Of(to)).toBe(await sha256Of(path));
  };

  // First, unchanged, changed, over a line that breaks, and with its database lost.
  expect(await backup()).toMatchObject({ versions: [{}, {}], failed: [] });
  expect(await backup()).toMatchObject({ versions: [], unchanged: 2, failed: [] });
  for (const [day, { path }] of stores.entries()) changeMailFile(path, 400, 7 + day);
  proxy.set({ resetAfter: 1_000_000 });
  expect(await backup()).toMatchObject({ versions: [{}, {}], failed: [] });
  expect(proxy.counted.cuts).toBeGreaterThan(0);
  proxy.set({});
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(state, `device.db${suffix}`), { force: true });
  rmSync(join(state, 'fingerprints'), { recursive: true, force: true });
  changeMailFile(paths[0]!, 3, 9);
  const before = proxy.counted.up;
  expect(await backup()).toMatchObject({ versions: [{ path: paths[0] }], unchanged: 1, failed: [] });
  expect(proxy.counted.up - before).toBeLessThan(1_000_000);

  expect((await old('versions', '--state', state, '--json')).versions).toHaveLength(5);
  expect(await old('verify', '--all', '--state', state, '--json')).toMatchObject({ verified: 5, failed: [] });
  for (const [number, path] of paths.entries()) await asItIs(old, path, `by-old-${number}`);

  // The same laptop with the new program: nothing is sent twice, everything restores.
  const sent = proxy.counted.up;
  const updated = await mailferryOk(
    'backup',
    ...paths,
    '--wait',
    '--snapshot',
    'live',
    '--state',
    state,
    '--json',
  );
  expect(updated.json).toMatchObject({ versions: [], unchanged: 2, failed: [] });
  expect(proxy.counted.up - sent).toBeLessThan(100_000);
  const now = async (...words: string[]) => (await mailferryOk(...words)).json;
  for (const [number, path] of paths.entries()) await asItIs(now, path, `by-new-${number}`);
  expect(await now('verify', '--all', '--state', state, '--json')).toMatchObject({ verified: 5, failed: [] });
});
