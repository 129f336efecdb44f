// A folder that can't be looked into: said by the backup, in its exit code, by the agent once, and by `status` until it is over.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  mailferryOk,
  PROGRAM,
  type Running,
  removeServer,
  serverAndDevice,
  start,
  stop,
} from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

/** Makes folders in folders until no path reaches them: not even root can list the last by its name (PATH_MAX, 4,096 bytes). */
function tooLong(home: string): string {
  const top = join(home, 'deep');
  mkdirSync(top);
  const script = `for (let n = 0; n < 20; n++) { const name = 'x'.repeat(250); fs.mkdirSync(name); process.chdir(name); }`;
  expect(spawnSync(process.execPath, ['-e', script], { cwd: top }).status).toBe(0);
  onTestFinished(() => void spawnSync('rm', ['-rf', top]));
  return top;
}

test('a folder that can not be looked into makes a backup partial, and is told until it can', async () => {
  const root = tempDir();
  const home = join(root, 'home');
  mkdirSync(home);
  const store = join(home, 'mail.pst');
  writeFileSync(store, 'a store');
  const { server, state } = await serverAndDevice(root);
  onTestFinished(() => removeServer(server));
  const env = { HOME: home, XDG_CONFIG_HOME: home };
  const run = (...words: string[]): Running =>
    start(process.execPath, [PROGRAM, ...words, '--state', state], env);
  const backup = () => run('backup', '--wait', '--snapshot', 'live', '--json').ended;
  const status = async () => (await run('status', '--json').ended).json.unread;

  expect(await backup()).toMatchObject({ code: 0, json: { unread: [], versions: [{ path: store }] } });
  expect(await status()).toEqual([]);
  // C9: how old the last complete search is.
  expect((await run('status').ended).stdout).toMatch(/^search: complete, \d+ min ago$/m);

  const top = tooLong(home);
  const unread = [{ path: expect.stringContaining(top), text: "it can't be looked into (ENAMETOOLONG)" }];
  expect(await backup()).toMatchObject({ code: 3, json: { unread, unchanged: 1, failed: [] } });
  expect(await status()).toEqual(unread);
  const text = await run('status').ended;
  expect(text.stdout).toMatch(/^search: in part, \d+ min ago; the last complete one \d+ min ago$/m);
  expect(text.stdout).toMatch(/^not looked into: .*deep.*: it can't be looked into \(ENAMETOOLONG\)$/m);
  // What a run over a named folder could not look into is told too.
  expect(await run('backup', home, '--snapshot', 'live', '--json').ended).toMatchObject({
    code: 3,
    json: { unread },
  });

  const agent = run('agent', '--snapshot', 'live', '--json');
  let said = '';
  agent.child.stdout!.on('data', (more: Buffer) => {
    said += more.toString();
  });
  const protectedAt = () => said.indexOf('sources are protected');
  await expect.poll(protectedAt, { timeout: 60_000 }).toBeGreaterThan(0);
  writeFileSync(store, 'another state of the store');
  await mailferryOk('wake', '--state', state);
  await expect.poll(() => said.includes('Receipt for'), { timeout: 60_000 }).toBe(true);
  await stop(agent);
  expect(said.match(/not looked into/g)).toHaveLength(1);

  spawnSync('rm', ['-rf', top]);
  expect(await backup()).toMatchObject({ code: 0, json: { unread: [] } });
  expect(await status()).toEqual([]);
}, 180_000);
