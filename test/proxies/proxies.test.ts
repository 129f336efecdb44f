// Behind real proxies, each with the configuration that server/proxies documents, over TLS: first backup, change, cut, restore, stock client.
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import { DefaultHttpStack, Upload } from 'tus-js-client';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { sha256Of } from '../support/mail-file.ts';
import { mailferryOk, PROGRAM, start, startServer, stop } from '../support/mailferry.ts';
import { lacks, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type Certificates, makeCertificates, type ProxyName, startProxy } from './real-proxy.ts';

const WAYS: [string, ProxyName, ((config: string) => string)?][] = [
  ['F1: nginx as documented', 'nginx'],
  [
    'F1: nginx with its own limit of 1 MiB',
    'nginx',
    (config) => config.replace(/.*client_max_body_size.*\n/, ''),
  ],
  [
    'F1: nginx that buffers requests',
    'nginx',
    (config) => config.replace(/.*proxy_request_buffering.*\n/, ''),
  ],
  [
    'F2: nginx with HTTP/1.0 to the server',
    'nginx',
    (config) => config.replace(/.*proxy_http_version.*\n/, ''),
  ],
  ['F2: nginx with HTTP/1.1 that closes', 'nginx', (config) => config.replace(/.*Connection "".*\n/, '')],
  ['F3: Caddy with two lines', 'caddy'],
  ['F3: HAProxy as documented', 'haproxy'],
  ['F3: Apache as documented', 'apache2'],
];

interface Laptop {
  readonly line: ChaosProxy;
  readonly url: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects of it is the test
  run(...words: string[]): Promise<{ json: any; ms: number }>;
}

async function laptop(
  root: string,
  data: string,
  port: number,
  certificates?: Certificates,
): Promise<Laptop> {
  const line = await ChaosProxy.start(port);
  onTestFinished(() => line.close());
  const url = certificates ? line.url.replace('http://127.0.0.1', 'https://localhost') : line.url;
  // The authority is in the system's store alone (OpenSSL's name for its file).
  const env = certificates
    ? { SSL_CERT_FILE: certificates.ca, SSL_CERT_DIR: '/nowhere', NODE_EXTRA_CA_CERTS: '' }
    : {};
  const run = async (...words: string[]) => {
    const before = performance.now();
    const ended = await start(process.execPath, [PROGRAM, ...words, '--state', root, '--json'], env).ended;
    if (ended.code !== 0) throw new Error(`${words.join(' ')}: ${ended.stdout}${ended.stderr}`);
    return { json: ended.json, ms: performance.now() - before };
  };
  const { json } = await mailferryOk('server', 'token', 'create', '--data', data, '--json');
  await run('enroll', '--server', url, '--token', json.token);
  return { line, url, run };
}

describe.each(WAYS)('%s', (name, proxy, edit) => {
  const reason = lacks(proxy, 'openssl');
  test(named('60 MB, a change, a cut, a restore with ranges, a stock client', reason), {
    timeout: 240_000,
  }, async (context) => {
    context.skip(reason !== null, reason ?? '');
    const root = tempDir();
    // A proxy that gives its rights up makes its temporary files there.
    chmodSync(root, 0o755);
    const certificates = makeCertificates(root);
    const data = join(root, 'data');
    const server = await startServer(data);
    onTestFinished(async () => void (await stop(server)));
    const way = await startProxy(proxy, {
      root: join(root, 'proxy'),
      target: server.port,
      certificates,
      ...(edit ? { edit } : {}),
    });
    onTestFinished(() => way.stop());
    const direct = await laptop(join(root, 'direct'), data, server.port);
    const behind = await laptop(join(root, 'behind'), data, way.port, certificates);
    const store = join(root, 'mail.pst');
    const backup = async ({ run }: Laptop) => {
      const { json, ms } = await run('backup', store, '--wait', '--snapshot', 'live');
      expect(json).toMatchObject({ versions: [{}], failed: [] });
      return { ms, sent: json.versions[0].sent as number };
    };
    const write = (size: number) => writeFileSync(store, randomBytes(size));
    const change = () => {
      const bytes = readFileSync(store);
      randomBytes(40_000).copy(bytes, 1_000_000);
      writeFileSync(store, bytes);
    };

    write(60_000_000);
    const without = (await backup(direct)).ms;
    expect((await backup(behind)).ms).toBeLessThanOrEqual(1.5 * without + 1_000);

    // Under a second on a machine that does nothing else (`npm test -- test/proxies`): 0.3 s of that goes without a proxy, too. Here
    // other tests run beside it, so that both are timed, one after the other. A way that waits for what never comes takes 20 s.
    const more = [];
    for (let n = 0; n < 5 && (more.at(-1) ?? 700) >= 700; n++) {
      change();
      const alone = (await backup(direct)).ms;
      more.push((await backup(behind)).ms - alone);
    }
    expect(Math.min(...more)).toBeLessThan(700);

    write(30_000_000);
    const up = behind.line.counted.up;
    behind.line.set({ resetAfter: 6_000_000 });
    await backup(behind);
    behind.line.set({});
    const { cuts } = behind.line.counted;
    expect(cuts).toBeGreaterThan(0);
    // The first cut may cost a buffering proxy a whole request, each later one 1 MiB; TLS and headers besides.
    const again = behind.line.counted.up - up - 30_100_000;
    expect(again, `${name}, ${cuts} cuts`).toBeLessThan(8_388_608 + cuts * (1_048_576 + 400_000));

    behind.line.set({ resetDownAfter: 9_000_000 });
    await behind.run('restore', store, '--to', join(root, 'restored'));
    behind.line.set({});
    expect(await sha256Of(join(root, 'restored'))).toBe(await sha256Of(store));

    await stockClient(behind.url, join(root, 'behind'), certificates);
  });
});

/** tus-js-client as it comes, with a chunk size as its documents advise behind proxies; then one range of what it sent. */
async function stockClient(url: string, state: string, { ca }: Certificates): Promise<void> {
  const { credential } = JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8'));
  const headers = { Authorization: `Bearer ${credential}` };
  const options = { ca: readFileSync(ca), headers };
  const bytes = randomBytes(3_000_000);
  await new Promise<void>((resolve, reject) => {
    new Upload(bytes, {
      endpoint: `${url}/v1/uploads`,
      httpStack: new DefaultHttpStack({ ca: options.ca }),
      headers,
      metadata: { kind: 'file', path: '/stock' },
      chunkSize: 1_000_000,
      retryDelays: null,
      onSuccess: () => resolve(),
      onError: reject,
    }).start();
  });
  const { versions } = JSON.parse(String(await get(`${url}/v1/versions?path=/stock`, options)));
  const content = `${url}/v1/versions/${versions[0].id}/content`;
  const part = await get(content, { ...options, headers: { ...headers, Range: 'bytes=1000000-1999999' } });
  expect(part.equals(bytes.subarray(1_000_000, 2_000_000))).toBe(true);
}

function get(url: string, options: https.RequestOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const request = https.get(url, options, async (response) => {
      resolve(Buffer.concat(await response.toArray()));
    });
    request.once('error', reject);
  });
}
