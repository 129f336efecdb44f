// TLS as companies have it: a private authority in the system's store, in a file, or nowhere; and what is said where it fails.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { authority, type Certificate, chain, signedBy } from '../support/certificates.ts';
import { makeMailFile } from '../support/mail-file.ts';
import { PROGRAM, type RunningServer, removeServer, start, startOwnServer } from '../support/mailferry.ts';
import { lacks, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { tlsFront } from '../support/tls-front.ts';

const reason = lacks('openssl');
/** No system's store, no file: only what Node brings. */
const NOTHING = { SSL_CERT_FILE: '/nowhere', SSL_CERT_DIR: '/nowhere', NODE_EXTRA_CA_CERTS: '' };

let server: RunningServer;
beforeAll(async () => {
  server = await startOwnServer();
});
afterAll(() => removeServer(server));

const run = (env: NodeJS.ProcessEnv, ...words: string[]) =>
  start(process.execPath, [PROGRAM, ...words], { ...NOTHING, ...env }).ended;

async function token(): Promise<string> {
  return (await run({}, 'server', 'token', 'create', '--data', server.data, '--json')).json.token;
}

/** Enrols by https, backs up and restores; what was restored is what was backed up. */
async function comeAndGo(env: NodeJS.ProcessEnv, url: string, ...more: string[]) {
  const root = tempDir();
  const state = join(root, 'state');
  const path = join(root, 'mail.pst');
  makeMailFile(path, 300_000, 4);
  const say = { ...env, MAILFERRY_TOKEN: await token() };
  const enrolled = await run(say, 'enroll', '--server', url, '--state', state, '--json', ...more);
  expect(enrolled.stderr + enrolled.stdout).toContain('"device"');
  const live = ['--wait', '--snapshot', 'live'];
  expect(await run(env, 'backup', path, ...live, '--state', state, '--json')).toMatchObject({ code: 0 });
  const to = join(root, 'restored');
  expect(await run(env, 'restore', path, '--to', to, '--state', state)).toMatchObject({ code: 0 });
  expect(readFileSync(to).equals(readFileSync(path))).toBe(true);
  return { state, path };
}

describe.skipIf(reason !== null)(named('F4: a private authority', reason), () => {
  test('F4: in the file of the setting caFile, among others', async () => {
    const folder = tempDir();
    const ca = authority(folder, 'Company Root');
    const caFile = join(folder, 'all.pem');
    const other = authority(folder, 'Other Root');
    writeFileSync(caFile, `# ours\n${readFileSync(other.certificate)}\n${readFileSync(ca.certificate)}`);
    const { url } = await tlsFront(signedBy(folder, ca, { name: 'backup' }), server.port);
    await comeAndGo({ MAILFERRY_CA_FILE: caFile }, url);
    const settings = join(folder, 'settings.json');
    writeFileSync(settings, JSON.stringify({ caFile }));
    await comeAndGo({ MAILFERRY_SETTINGS: settings }, url);
  });

  test('F4: named when it was enrolled, and used from then on', async () => {
    const folder = tempDir();
    const ca = authority(folder, 'Company Root');
    const { url } = await tlsFront(signedBy(folder, ca, { name: 'backup' }), server.port);
    await comeAndGo({}, url, '--ca-file', ca.certificate);
  });

  test.each(['SSL_CERT_FILE', 'SSL_CERT_DIR'])('F4: in the system store alone (%s)', async (name) => {
    const folder = tempDir();
    const ca = authority(folder, 'Company Root');
    const { url } = await tlsFront(signedBy(folder, ca, { name: 'backup' }), server.port);
    const store = join(folder, 'store');
    mkdirSync(store);
    writeFileSync(join(store, 'company.pem'), readFileSync(ca.certificate));
    await comeAndGo({ [name]: name === 'SSL_CERT_DIR' ? store : ca.certificate }, url);
  });

  test('F4: with an authority between, sent by the server or left out', async () => {
    const folder = tempDir();
    const ca = authority(folder, 'Company Root');
    const between = signedBy(folder, ca, { name: 'Company Issuing', isAuthority: true });
    const leaf = signedBy(folder, between, { name: 'backup' });
    const whole = await tlsFront(chain(leaf, between), server.port);
    await comeAndGo({ MAILFERRY_CA_FILE: ca.certificate }, whole.url);
    const cut = await tlsFront(leaf, server.port);
    const refused = await refusal(cut.url, { MAILFERRY_CA_FILE: ca.certificate });
    expect(refused.message).toMatch(
      /"backup", issued by "Company Issuing", .* does not send the certificate/,
    );
    expect(refused.reason).toBe('unknown_issuer');
  });
});

async function refusal(url: string, env: NodeJS.ProcessEnv = {}) {
  const state = join(tempDir(), 'state');
  const words = ['enroll', '--server', url, '--token', 'x', '--state', state, '--json'];
  const ended = await run(env, ...words);
  expect(ended).toMatchObject({ code: 13 });
  expect(ended.stdout + ended.stderr).not.toMatch(/network or VPN/);
  return ended.json.error as { code: string; message: string; hint: string; reason: string };
}

type Made = (folder: string, ca: Certificate) => Certificate;

describe.skipIf(reason !== null)(named('F4: a certificate that is not trusted', reason), () => {
  test.each<[string, Made, RegExp, string]>([
    [
      'of an unknown authority',
      (folder) => signedBy(folder, authority(folder, 'Evil Root'), { name: 'backup' }),
      /"backup", issued by "Evil Root", is signed by an authority that is not trusted here/,
      'unknown_issuer',
    ],
    [
      'of an unknown authority that is sent along',
      (folder) => {
        const evil = authority(folder, 'Evil Root');
        return chain(signedBy(folder, evil, { name: 'backup' }), evil);
      },
      /"backup", issued by "Evil Root", is signed by an authority that is not trusted here/,
      'unknown_issuer',
    ],
    [
      'signed by itself',
      (folder) => authority(folder, 'Alone'),
      /"Alone", issued by "Alone", is signed by itself/,
      'self_signed',
    ],
    [
      'that expired',
      (folder, ca) => signedBy(folder, ca, { name: 'old', from: -10, until: -3 }),
      /"old", issued by "Company Root", expired on \d{4}-\d\d-\d\d \(the clock of this machine says \d{4}-\d\d-\d\d\): renew/,
      'expired',
    ],
    [
      'that is not valid yet',
      (folder, ca) => signedBy(folder, ca, { name: 'new', from: 5, until: 20 }),
      /"new", issued by "Company Root", is not valid yet, but from \d{4}-\d\d-\d\d on/,
      'not_yet_valid',
    ],
    [
      'for another host',
      (folder, ca) => signedBy(folder, ca, { name: 'backup', names: 'DNS:backup.example.org' }),
      /"backup", .* is for backup\.example\.org, not for 127\.0\.0\.1/,
      'other_host',
    ],
  ])('F4: %s is told as such', async (_, made, sentence, why) => {
    const folder = tempDir();
    const ca = authority(folder, 'Company Root');
    const { url } = await tlsFront(made(folder, ca), server.port);
    const env = { MAILFERRY_CA_FILE: ca.certificate };
    const refused = await refusal(url, env);
    expect(refused).toMatchObject({ code: 'tls_untrusted', reason: why });
    expect(refused.message).toMatch(sentence);
  });

  test('F4: status, doctor, backup, restore and the agent say it too', async () => {
    const folder = tempDir();
    const ca = authority(folder, 'Company Root');
    const { url } = await tlsFront(signedBy(folder, ca, { name: 'backup' }), server.port);
    const { state, path } = await comeAndGo({ MAILFERRY_CA_FILE: ca.certificate }, url);
    const sentence = /"backup", issued by "Company Root", is signed by an authority that is not trusted here/;
    const status = await run({}, 'status', '--state', state, '--json');
    expect(status.json.server).toMatchObject({ reachable: false, code: 'tls_untrusted' });
    expect((await run({}, 'status', '--state', state)).stdout).toMatch(sentence);
    const doctor = await run({}, 'doctor', '--state', state, '--json');
    expect(JSON.stringify(doctor.json.findings).replaceAll('\\"', '"')).toMatch(sentence);
    const restored = await run({}, 'restore', path, '--to', join(folder, 'r'), '--state', state, '--json');
    expect(restored.json.error).toMatchObject({ code: 'tls_untrusted' });
    writeFileSync(path, 'changed');
    const words = ['agent', '--snapshot', 'live', '--state', state];
    const agent = start(process.execPath, [PROGRAM, ...words], { ...NOTHING, MAILFERRY_PATHS: path });
    let said = '';
    await new Promise<void>((resolve) => {
      agent.child.stderr!.on('data', (text: string) => {
        said += text;
        if (sentence.test(said)) resolve();
      });
      void agent.ended.then(() => resolve());
    });
    agent.child.kill('SIGTERM');
    await agent.ended;
    expect(said).toMatch(sentence);
  });
});

test('F4: an address that speaks no TLS is told as such', async () => {
  const refused = await refusal(`https://127.0.0.1:${server.port}`);
  expect(refused).toMatchObject({ code: 'tls_failed' });
  expect(refused.message).toMatch(/speaks no TLS/);
});

test.each<[string, string | null, RegExp]>([
  ['is not there', null, /is not there\.$/],
  ['is no PEM', 'DER or anything', /holds no certificate in PEM/],
  [
    'is damaged',
    '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    /Certificate 1 .* damaged\.$/,
  ],
])('F4: a file of authorities that %s is refused in one sentence', async (_, text, sentence) => {
  const folder = tempDir();
  const file = join(folder, 'ca.pem');
  if (text !== null) writeFileSync(file, text);
  const state = join(folder, 'state');
  const words = ['enroll', '--server', server.url, '--token', 'x', '--state', state, '--json'];
  const ended = await run({ MAILFERRY_CA_FILE: file }, ...words);
  expect(ended).toMatchObject({ code: 2, json: { error: { code: 'settings_invalid' } } });
  expect(ended.json.error.message).toMatch(sentence);
  expect(ended.json.error.message).toContain(file);
});
