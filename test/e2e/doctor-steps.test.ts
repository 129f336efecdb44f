// The doctor on the way to the server: each step fails once, is named, and none behind it is tried.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Finding } from '../../client/doctor/finding.ts';
import { authority, signedBy } from '../support/certificates.ts';
import { PROGRAM, serverAndDevice, start, startServer, stop } from '../support/mailferry.ts';
import { lacks, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { tlsFront } from '../support/tls-front.ts';

const STEPS = ['name', 'connection', 'proxy', 'tls', 'server', 'key', 'device', 'clock', 'interim'];
const lacking = lacks('openssl');

async function device() {
  const root = tempDir();
  const { server, state } = await serverAndDevice(root);
  onTestFinished(async () => void (await stop(server)));
  const identity = join(state, 'identity.json');
  const change = (said: object) =>
    writeFileSync(identity, JSON.stringify({ ...JSON.parse(readFileSync(identity, 'utf8')), ...said }));
  const steps = async (env: NodeJS.ProcessEnv = {}) => {
    const words = [PROGRAM, 'doctor', '--state', state, '--json'];
    const { json } = await start(process.execPath, words, { HOME: tempDir(), ...env }).ended;
    const all = (json.findings as Finding[]).filter(({ check }) => STEPS.includes(check));
    return { all, states: all.map(({ check, state: is }) => `${check} ${is}`).join(', ') };
  };
  const failing = async (env?: NodeJS.ProcessEnv) => {
    const { all, states } = await steps(env);
    const failed = all.filter(({ state: is }) => is === 'failed');
    expect(failed).toHaveLength(1);
    expect(failed[0]!.todo).toMatch(/\.$/);
    return { states, said: failed[0]!.said };
  };
  return { root, server, change, steps, failing };
}

/** Answers everything so. */
async function answering(status: number, headers: Record<string, string>, body: string): Promise<string> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization ?? '');
    response.writeHead(status, headers).end(body);
  });
  server.on('connect', (_, socket) => socket.end(`HTTP/1.1 ${status} Forbidden\r\n\r\n`));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.close();
    // Nothing of the device was told to what is not its server.
    expect(asked.filter((one) => one !== '')).toEqual([]);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('all is well', { timeout: 60_000 }, async () => {
  const { steps } = await device();
  expect((await steps()).states).toBe(
    'name ok, connection ok, server ok, key ok, device ok, clock ok, interim ok',
  );
});

test('the name', { timeout: 60_000 }, async () => {
  const { change, failing } = await device();
  change({ server: 'http://mailferry.invalid:8080', allowHttp: true });
  const { states, said } = await failing();
  expect(states).toMatch(/^name failed, connection skipped, server skipped, .*interim skipped$/);
  expect(said).toMatch(/mailferry\.invalid .*DNS/);
});

test('the connection', { timeout: 60_000 }, async () => {
  const { server, failing } = await device();
  await stop(server);
  const { states, said } = await failing();
  expect(states).toMatch(/^name ok, connection failed, server skipped/);
  expect(said).toContain('refused');
});

test('the proxy', { timeout: 60_000 }, async () => {
  const { failing } = await device();
  const url = await answering(403, {}, '');
  const { states, said } = await failing({ http_proxy: url, no_proxy: '' });
  expect(states).toMatch(/^name ok, connection ok, proxy failed, server skipped/);
  expect(said).toMatch(/proxy 127\.0\.0\.1:\d+ \(named by HTTP_PROXY\) answered 403/);
  const gone = await failing({ http_proxy: 'http://127.0.0.1:9', no_proxy: '' });
  expect(gone.states).toMatch(/^name ok, connection failed, proxy skipped/);
});

test.skipIf(lacking)(named('the certificate', lacking), { timeout: 60_000 }, async () => {
  const { root, server, change, failing } = await device();
  const ca = authority(root, 'Company Root');
  const front = await tlsFront(signedBy(root, ca, { name: 'backup' }), server.port);
  change({ server: front.url });
  const { states, said } = await failing();
  expect(states).toMatch(/^name ok, connection ok, tls failed, server skipped/);
  expect(said).toContain('Company Root');
});

for (const [what, answer] of [
  ['a login page', [200, { 'content-type': 'text/html' }, '<form>Log in</form>']],
  ['a login page elsewhere', [302, { location: 'http://login.invalid/' }, '']],
  ['another program', [404, {}, 'nothing here']],
  ['a proxy without a server behind it', [502, {}, 'Bad Gateway']],
] as const) {
  test(`${what} in the place of the server`, { timeout: 60_000 }, async () => {
    const { change, failing } = await device();
    change({ server: await answering(...(answer as [number, Record<string, string>, string])) });
    const { states } = await failing();
    expect(states).toMatch(/^name ok, connection ok, server failed, key skipped, device skipped/);
  });
}

test('a server with another key', { timeout: 60_000 }, async () => {
  const { root, change, failing } = await device();
  const other = await startServer(join(root, 'other'));
  onTestFinished(async () => void (await stop(other)));
  change({ server: other.url });
  const { states, said } = await failing();
  expect(states).toMatch(/^name ok, connection ok, server ok, key failed, device skipped/);
  expect(said).toContain('another key');
});

test('a credential that the server does not know', { timeout: 60_000 }, async () => {
  const { change, failing } = await device();
  change({ credential: 'mfd_nothing' });
  const { states } = await failing();
  expect(states).toMatch(
    /^name ok, connection ok, server ok, key ok, device failed, clock ok, interim skipped$/,
  );
});

test('a server that has moved for good is named, with where it is now', { timeout: 60_000 }, async () => {
  const { server, change, steps } = await device();
  change({ server: await answering(308, { location: `${server.url}/healthz` }, '') });
  const { all, states } = await steps();
  expect(states).toMatch(/^name ok, connection ok, server warning, key ok, device ok/);
  expect(all.find(({ check }) => check === 'server')!.said).toContain(server.url);
});
