// The agent as a service host and scheduled tasks drive it: lines on its standard input, `mailferry wake`, a stop in time.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import { constants, getPriority } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { mailferryOk, PROGRAM, type RunningServer, serverAndDevice, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

let server: RunningServer | undefined;
afterEach(async () => {
  if (server) await stop(server);
  server = undefined;
});

async function runningAgent() {
  const root = tempDir();
  const made = await serverAndDevice(root);
  server = made.server;
  const source = join(root, 'Zażółć 邮件.pst');
  writeFileSync(source, 'first');
  await mailferryOk('backup', source, '--snapshot', 'live', '--state', made.state);
  const words = [PROGRAM, 'agent', '--state', made.state, '--host', '--snapshot', 'live', '--json'];
  // A home without mail of its own.
  const env = { ...process.env, HOME: root };
  const child = spawn(process.execPath, words, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(child, 'exit');
  const receipts = () => said.match(/Receipt for/g)?.length ?? 0;
  const versions = async () => (await mailferryOk('versions', '--state', made.state, '--json')).json.versions;
  return { child, ended, source, state: made.state, receipts, versions };
}

test('a host stops it with a line, well within 5 s', async () => {
  const { child, ended, receipts } = await runningAgent();
  await expect.poll(receipts, { timeout: 20_000 }).toBe(1);
  const asked = Date.now();
  child.stdin.write('stop\n');
  expect(await ended).toEqual([0, null]);
  expect(Date.now() - asked).toBeLessThan(5_000);
});

test('it gives way to whatever else runs on the machine', async () => {
  const { child, ended, receipts } = await runningAgent();
  await expect.poll(receipts, { timeout: 20_000 }).toBe(1);
  expect(getPriority(child.pid)).toBe(Math.max(getPriority(), constants.priority.PRIORITY_BELOW_NORMAL));
  child.stdin.end();
  expect(await ended).toEqual([0, null]);
});

test('a host that is gone stops it too', async () => {
  const { child, ended, receipts } = await runningAgent();
  await expect.poll(receipts, { timeout: 20_000 }).toBe(1);
  child.stdin.end();
  expect(await ended).toEqual([0, null]);
});

test('it looks when it is woken, long before its schedule, and what did not change makes no version', async () => {
  const { child, ended, source, state, receipts, versions } = await runningAgent();
  await expect.poll(receipts, { timeout: 20_000 }).toBe(1);
  await mailferryOk('wake', '--state', state);
  appendFileSync(source, ' second');
  await mailferryOk('wake', '--state', state);
  await expect.poll(receipts, { timeout: 20_000 }).toBe(2);
  expect(await versions()).toHaveLength(2);
  child.stdin.write('stop\n');
  expect(await ended).toEqual([0, null]);
});
