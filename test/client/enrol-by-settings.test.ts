// Enrolment without a person: an agent whose settings name a server and a token makes its machine a device, once.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { mailferryOk, PROGRAM, type Running, start, startServer, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

const PATIENT = { timeout: 30_000, interval: 50 };

function agent(root: string, settings: object): Running {
  const path = join(root, 'settings.json');
  const mail = join(root, 'mail');
  mkdirSync(mail, { recursive: true });
  writeFileSync(join(mail, 'box.pst'), `letters ${Math.random()}`);
  writeFileSync(path, JSON.stringify({ paths: [mail], ...settings }));
  const words = [PROGRAM, 'agent', '--snapshot', 'live', '--state', join(root, 'state')];
  return start(process.execPath, words, { MAILFERRY_SETTINGS: path });
}

test('a device that is nobody yet enrols itself, keeps its token to itself, and is the same at the next start', async () => {
  const root = tempDir();
  const data = join(root, 'data');
  const server = await startServer(data);
  onTestFinished(async () => void (await stop(server)));
  const { json } = await mailferryOk('server', 'token', 'create', '--data', data, '--json');
  const identity = join(root, 'state', 'identity.json');

  const first = agent(root, { server: server.url, enrolmentToken: json.token });
  await vi.waitFor(() => expect(existsSync(identity)).toBe(true), PATIENT);
  const said = await stop(first);
  expect(said.code).toBe(0);
  expect(said.stdout + said.stderr).toContain('Enrolled as');
  expect(said.stdout + said.stderr).not.toContain(json.token);
  const enrolled = readFileSync(identity, 'utf8');
  expect(JSON.parse(enrolled)).toMatchObject({ server: server.url });

  // The token has no use left: it is not spent again.
  const second = agent(root, { server: server.url, enrolmentToken: json.token });
  let heard = '';
  for (const stream of [second.child.stdout, second.child.stderr])
    stream?.on('data', (text) => (heard += text));
  await vi.waitFor(() => expect(heard).toContain('Receipt for'), PATIENT);
  const again = await stop(second);
  expect([again.code, again.stderr.includes('Enrolled')]).toEqual([0, false]);
  expect(readFileSync(identity, 'utf8')).toBe(enrolled);
}, 90_000);

test.each([
  ['no token', { server: 'http://127.0.0.1:9' }],
  ['no server', { enrolmentToken: 'x'.repeat(43) }],
])(
  'with %s it stays nobody, and says what to do',
  async (_, settings) => {
    const root = tempDir();
    const { code, stderr } = await agent(root, settings).ended;
    expect([code, stderr]).toEqual([10, expect.stringContaining('mailferry enroll')]);
    expect(existsSync(join(root, 'state', 'identity.json'))).toBe(false);
  },
  60_000,
);

test('a token that the server refuses ends the agent with what to do, and nothing is kept', async () => {
  const root = tempDir();
  const server = await startServer(join(root, 'data'));
  onTestFinished(async () => void (await stop(server)));
  const token = 'x'.repeat(43);
  const { code, stderr } = await agent(root, { server: server.url, enrolmentToken: token }).ended;
  expect([code, stderr]).toEqual([12, expect.stringContaining('new enrolment token')]);
  expect(stderr).not.toContain(token);
  expect(existsSync(join(root, 'state', 'identity.json'))).toBe(false);
}, 60_000);
