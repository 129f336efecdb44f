// HTTP proxies: the one way out of a network, with a password; and what is said where a proxy fails.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { authority, signedBy } from '../support/certificates.ts';
import { type ConnectProxy, connectProxy } from '../support/connect-proxy.ts';
import { makeMailFile } from '../support/mail-file.ts';
import { PROGRAM, type RunningServer, removeServer, start, startOwnServer } from '../support/mailferry.ts';
import { lacks, lacksNamespace, lacksRoot, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { tlsFront } from '../support/tls-front.ts';

/** For some twenty processes on a machine that does other things too. */
const LONG_MS = 240_000;
const PASSWORD = 'geheim:50%';
const CREDENTIALS = `me:${PASSWORD}`;
const inUrl = `me:${encodeURIComponent(PASSWORD)}`;

let server: RunningServer;
beforeAll(async () => {
  server = await startOwnServer();
});
afterAll(() => removeServer(server));

type Run = (env: NodeJS.ProcessEnv, ...words: string[]) => ReturnType<typeof start>['ended'];
const run: Run = (env, ...words) => start(process.execPath, [PROGRAM, ...words], env).ended;

async function token(): Promise<string> {
  return (await run({}, 'server', 'token', 'create', '--data', server.data, '--json')).json.token;
}

/** Enrols, backs up, restores and asks the doctor; nothing of it shows the password. */
async function comeAndGo(runIt: Run, env: NodeJS.ProcessEnv, url: string, isProxied = true): Promise<void> {
  const root = tempDir();
  const state = join(root, 'state');
  const path = join(root, 'mail.pst');
  makeMailFile(path, 300_000, 5);
  const to = join(root, 'restored');
  const at = ['--state', state, '--json'];
  const debug = { ...env, DEBUG: '*' };
  const ends = [
    await runIt({ ...debug, MAILFERRY_TOKEN: await token() }, 'enroll', '--server', url, ...at),
    await runIt(debug, 'backup', path, '--wait', '--snapshot', 'live', ...at),
    await runIt(debug, 'restore', path, '--to', to, ...at),
  ];
  expect(ends.map(({ code, stderr }) => (code === 0 ? '' : stderr))).toEqual(['', '', '']);
  expect(readFileSync(to).equals(readFileSync(path))).toBe(true);
  const doctor = await runIt(debug, 'doctor', ...at);
  expect(doctor.json.findings).toContainEqual(expect.objectContaining({ check: 'device', state: 'ok' }));
  const told = doctor.json.findings.some(({ check }: { check: string }) => check === 'proxy');
  expect(told).toBe(isProxied);
  const status = await runIt(debug, 'status', ...at);
  expect(status.json.server).toMatchObject({ reachable: true });
  for (const { stdout, stderr } of [...ends, doctor, status])
    expect(stdout + stderr).not.toMatch(/geheim|bWU6Z2VoZWlt/);
}

const tunnelled = ({ let: through }: ConnectProxy, target: string) => {
  expect(through.length).toBeGreaterThan(3);
  expect(new Set(through)).toEqual(new Set([target]));
};

test.each(['https_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'MAILFERRY_PROXY'])(
  'F5: a proxy with a password, from %s',
  async (name) => {
    const folder = tempDir();
    const ca = authority(folder, 'Company Root');
    const leaf = signedBy(folder, ca, { name: 'backup', names: 'DNS:backup.example.org' });
    const front = await tlsFront(leaf, server.port);
    const hosts = { 'backup.example.org': '127.0.0.1' };
    const proxy = await connectProxy({ credentials: CREDENTIALS, hosts });
    const env = { MAILFERRY_CA_FILE: ca.certificate, [name]: `http://${inUrl}@127.0.0.1:${proxy.port}` };
    await comeAndGo(run, env, `https://backup.example.org:${front.port}`);
    tunnelled(proxy, `backup.example.org:${front.port}`);
  },
  LONG_MS,
);

test(
  'F5: none, and NO_PROXY, go without; the setting goes before the environment',
  async () => {
    const proxy = await connectProxy();
    const HTTP_PROXY = 'http://127.0.0.1:1';
    await comeAndGo(run, { HTTP_PROXY, MAILFERRY_PROXY: 'none' }, server.url, false);
    await comeAndGo(run, { HTTP_PROXY, NO_PROXY: '127.0.0.0/8' }, server.url, false);
    await comeAndGo(run, { HTTP_PROXY, MAILFERRY_PROXY: `127.0.0.1:${proxy.port}` }, server.url);
    tunnelled(proxy, `127.0.0.1:${server.port}`);
  },
  LONG_MS,
);

test('F5: settings show a proxy without its password', async () => {
  const file = join(tempDir(), 'settings.json');
  writeFileSync(file, JSON.stringify({ proxy: 'http://me:geheim@p:3128' }));
  const shown = await run({ MAILFERRY_SETTINGS: file }, 'settings', '--json');
  expect(shown.stdout).not.toContain('geheim');
  expect(shown.json.settings).toContainEqual({ name: 'proxy', value: 'http://(set)@p:3128', from: file });
});

describe('F5: a proxy that fails is named, with its host and without its password', () => {
  const refusal = async (proxy: string) => {
    const state = join(tempDir(), 'state');
    const words = ['enroll', '--server', server.url, '--token', 'x', '--state', state, '--json'];
    const ended = await run({ HTTP_PROXY: proxy }, ...words);
    expect(ended).toMatchObject({ code: 13, json: { error: { code: 'proxy_failed' } } });
    expect(ended.stdout + ended.stderr).not.toContain('geheim');
    return ended.json.error.message as string;
  };
  test('F5: it wants a password, or another one, or other credentials', async () => {
    const { port } = await connectProxy({ credentials: CREDENTIALS });
    const host = `127\\.0\\.0\\.1:${port}`;
    expect(await refusal(`http://127.0.0.1:${port}`)).toMatch(
      new RegExp(`^The proxy ${host} \\(named by HTTP_PROXY\\) wants a user and a password`),
    );
    expect(await refusal(`http://me:geheim@127.0.0.1:${port}`)).toMatch(
      /does not take the user and password/,
    );
    const other = await connectProxy({ credentials: CREDENTIALS, scheme: 'Negotiate' });
    expect(await refusal(`http://127.0.0.1:${other.port}`)).toMatch(/wants Negotiate credentials/);
  });
  test('F5: it is not there, its name is unknown, it leads nowhere', async () => {
    expect(await refusal('http://me:geheim@127.0.0.1:1')).toMatch(/^The proxy 127\.0\.0\.1:1 .* refused/);
    expect(await refusal('http://proxy.invalid:3128')).toMatch(/^The proxy proxy\.invalid:3128 .*DNS/);
    const silent = net.createServer(() => {});
    await new Promise<void>((resolve) => {
      silent.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => void silent.close());
    const { port: mute } = silent.address() as net.AddressInfo;
    const began = performance.now();
    expect(await refusal(`http://127.0.0.1:${mute}`)).toMatch(/no answer within 10 s/);
    expect(performance.now() - began).toBeLessThan(30_000);
    const { port } = await connectProxy({ status: 503 });
    expect(await refusal(`http://127.0.0.1:${port}`)).toMatch(/answered 503 No when asked for/);
  });
});

const reason = lacksRoot() ?? lacks('ip', 'openssl') ?? lacksNamespace();

test.skipIf(reason !== null)(
  named('F5: a network that only a proxy with a password leads out of', reason),
  async () => {
    const ip = (...words: string[]) => execFileSync('ip', words, { stdio: 'pipe' });
    const id = String(process.pid % 100_000);
    // Of its own, beside another run and what one that was killed left.
    const subnet = `10.213.${process.pid % 256}`;
    const [space, near, far] = [`mf-${id}`, `mfa${id}`, `mfb${id}`];
    ip('netns', 'add', space);
    onTestFinished(() => {
      spawnSync('ip', ['link', 'del', near]);
      spawnSync('ip', ['netns', 'del', space]);
    });
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', space);
    ip('addr', 'add', `${subnet}.1/30`, 'dev', near);
    ip('link', 'set', near, 'up');
    ip('-n', space, 'addr', 'add', `${subnet}.2/30`, 'dev', far);
    ip('-n', space, 'link', 'set', far, 'up');
    ip('-n', space, 'link', 'set', 'lo', 'up');
    const folder = tempDir();
    const ca = authority(folder, 'Company Root');
    const leaf = signedBy(folder, ca, { name: 'backup', names: 'DNS:backup.example.org' });
    const front = await tlsFront(leaf, server.port);
    const hosts = { 'backup.example.org': '127.0.0.1' };
    const proxy = await connectProxy({ host: `${subnet}.1`, credentials: CREDENTIALS, hosts });
    const inside: Run = (env, ...words) =>
      start('ip', ['netns', 'exec', space, process.execPath, PROGRAM, ...words], env).ended;
    const url = `https://backup.example.org:${front.port}`;
    const trusted = { MAILFERRY_CA_FILE: ca.certificate };
    const state = join(folder, 'state');
    const without = await inside(
      trusted,
      'enroll',
      '--server',
      url,
      '--token',
      'x',
      '--state',
      state,
      '--json',
    );
    expect(without.json.error.code).toBe('unreachable');
    const env = { ...trusted, HTTPS_PROXY: `http://${inUrl}@${subnet}.1:${proxy.port}` };
    await comeAndGo(inside, env, url);
    tunnelled(proxy, `backup.example.org:${front.port}`);
  },
  LONG_MS,
);
