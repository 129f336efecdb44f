// A server that moves to another port, name and path: devices follow by what a person says, by settings, and by a permanent redirect.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { makeMailFile, sha256Of } from '../support/mail-file.ts';
import {
  enrol,
  mailferry,
  mailferryOk,
  PROGRAM,
  type RunningServer,
  start,
  startServer,
  stop,
} from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

/** Answers each request as `answer` says, and notes it. */
async function listener(
  answer: (request: http.IncomingMessage) => { status: number; location?: string; body?: string },
  port = 0,
) {
  const asked: http.IncomingMessage[] = [];
  const server = http.createServer((request, response) => {
    asked.push(request);
    const { status, location, body } = answer(request);
    request.resume();
    response.writeHead(status, location ? { location } : {}).end(body ?? '');
  });
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function serverOf(data: string, ...more: string[]): Promise<RunningServer> {
  const server = await startServer(data, 0, ...more);
  onTestFinished(async () => void (await stop(server)));
  return server;
}

/** A device in a folder of its own, with a store. */
async function device(data: string, url: string, name: string, bytes = 400_000) {
  const root = tempDir();
  const state = join(root, 'state');
  const store = join(root, `${name}.pst`);
  makeMailFile(store, bytes, name.length);
  await enrol(data, url, state);
  const run = (env: NodeJS.ProcessEnv, ...words: string[]) =>
    start(process.execPath, [PROGRAM, ...words, '--state', state, '--json'], env).ended;
  const address = (): string => JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8')).server;
  const backup = async (env: NodeJS.ProcessEnv = {}) => {
    const ended = await run(env, 'backup', store, '--wait', '--snapshot', 'live');
    expect(ended, ended.stderr).toMatchObject({ code: 0, json: { versions: [{}], failed: [] } });
    return ended;
  };
  /** What comes back is what is there. */
  const restored = async (env: NodeJS.ProcessEnv = {}) => {
    const to = join(root, `restored-${Math.random()}`);
    const ended = await run(env, 'restore', store, '--to', to);
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    expect(await sha256Of(to)).toBe(await sha256Of(store));
  };
  return { root, state, store, run, address, backup, restored, change: () => makeMailFile(store, bytes, 77) };
}

test('F6: three devices follow a server to another port, name and path, each in its way; an upload goes on', async () => {
  const data = join(tempDir(), 'data');
  const before = await startServer(data);
  const line = await ChaosProxy.start(before.port);
  const old = line.url;
  const told = await device(data, old, 'told');
  const policed = await device(data, old, 'policed');
  const led = await device(data, old, 'led', 40_000_000);
  for (const one of [told, policed]) await one.backup();

  line.set({ rate: 4_000_000 });
  const up = line.counted.up;
  const sending = mailferry('backup', led.store, '--wait', '--snapshot', 'live', '--state', led.state);
  await expect.poll(() => line.counted.up - up, { timeout: 30_000 }).toBeGreaterThan(12_000_000);
  await stop(sending);
  await stop(before);
  const port = Number(new URL(old).port);
  await line.close();

  const after = await serverOf(data, '--base-path', '/mail');
  const behind = await ChaosProxy.start(after.port);
  onTestFinished(() => behind.close());
  const now = `${behind.url.replace('127.0.0.1', 'localhost')}/mail`;
  const redirect = await listener(({ url }) => ({ status: 308, location: `${now}${url}` }), port);

  const moved = await told.run({}, 'enroll', '--move', `${now}/`);
  expect(moved, moved.stderr).toMatchObject({ code: 0, json: { server: now } });
  const elsewhere = { MAILFERRY_SERVER: now };
  for (const [one, env] of [
    [told, {}],
    [policed, elsewhere],
  ] as const) {
    one.change();
    await one.backup(env);
    await one.restored();
    expect(one.address()).toBe(now);
  }
  // Neither needed the old address.
  expect(redirect.asked).toEqual([]);

  const ended = await led.run({}, 'backup', led.store, '--wait', '--snapshot', 'live');
  expect(ended, ended.stderr).toMatchObject({ code: 0, json: { failed: [], queue: { packs: 0 } } });
  expect(led.address()).toBe(now);
  // The bytes before the move were not sent again.
  expect(behind.counted.up).toBeLessThan(32_000_000);
  await led.restored();
}, 120_000);

test('F6: a restore follows, too, and an agent that runs', async () => {
  const data = join(tempDir(), 'data');
  const before = await startServer(data);
  const one = await device(data, before.url, 'one');
  await one.backup();
  const words = ['agent', '--every', '60', '--snapshot', 'live', '--state', one.state];
  const agent = start(process.execPath, [PROGRAM, ...words], { MAILFERRY_PATHS: one.store });
  let said = '';
  agent.child.stderr!.on('data', (bytes) => {
    said += bytes;
  });
  onTestFinished(async () => void (await stop(agent)));
  await expect.poll(() => said, { timeout: 30_000 }).toContain('the next look is in');
  await stop(before);
  const after = await serverOf(data);
  await listener(({ url }) => ({ status: 301, location: `${after.url}${url}` }), before.port);
  await one.restored();
  expect(one.address()).toBe(after.url);
  one.change();
  await mailferryOk('wake', '--state', one.state);
  await expect.poll(() => said, { timeout: 30_000 }).toContain('Receipt for');
}, 90_000);

test('F6: another server, a page, or an old one at the new address: refused, nothing told to it, nothing changed', async () => {
  const data = join(tempDir(), 'data');
  const server = await serverOf(data);
  const one = await device(data, server.url, 'one');
  await one.backup();
  const other = await serverOf(join(tempDir(), 'data'));
  const proof = await (await fetch(`${server.url}/v1/server?nonce=${'0'.repeat(64)}`)).text();
  const page = await listener(() => ({ status: 200, body: '<html>Log in' }));
  const none = await listener(() => ({ status: 404 }));
  const replayed = await listener(() => ({ status: 200, body: proof }));
  for (const [url, code] of [
    [other.url, 'server_differs'],
    [page.url, 'answer_refused'],
    [none.url, 'unreachable'],
    [replayed.url, 'server_differs'],
  ] as const) {
    const refused = await one.run({}, 'enroll', '--move', url);
    expect(refused.code).toBe(code === 'server_differs' ? 12 : 13);
    expect(refused, refused.stderr).toMatchObject({ json: { error: { code } } });
    expect(one.address()).toBe(server.url);
    // By settings it is told, and the device goes on as it was.
    const asked = await start(process.execPath, [PROGRAM, 'versions', '--state', one.state], {
      MAILFERRY_SERVER: url,
    }).ended;
    expect(asked, asked.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('one.pst') });
    expect(asked.stderr).toContain(`The settings name ${url}`);
    expect(one.address()).toBe(server.url);
  }
  for (const { url, headers } of [page, none, replayed].flatMap(({ asked }) => asked)) {
    expect(url).toMatch(/^\/v1\/server\?nonce=[0-9a-f]{64}$/);
    expect(headers.authorization).toBeUndefined();
  }
  for (const words of [
    ['--move', server.url, '--renew'],
    ['--move', 'nonsense'],
  ]) {
    expect(await one.run({}, 'enroll', ...words)).toMatchObject({
      code: 2,
      json: { error: { code: 'usage' } },
    });
  }
}, 60_000);

test.each([301, 302, 307, 308])(
  'F6: %d to another server, or in a circle, leads nobody away',
  async (status) => {
    const data = join(tempDir(), 'data');
    const before = await startServer(data);
    const one = await device(data, before.url, 'one');
    await one.backup();
    await stop(before);
    const asked: http.IncomingMessage[] = [];
    const trap = await listener((request) => {
      asked.push(request);
      return { status: 200, body: '{}' };
    });
    const circle = await listener(
      ({ url }) => ({ status, location: url!.includes('circle') ? `/circle${url}` : `${trap.url}${url}` }),
      before.port,
    );
    const refused = await one.run({}, 'versions');
    expect(refused, refused.stderr).toMatchObject({ code: 13, json: { error: { code: 'answer_refused' } } });
    expect(one.address()).toBe(before.url);
    expect(trap.asked.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
    expect(circle.asked.length).toBeLessThan(10);
  },
  60_000,
);
