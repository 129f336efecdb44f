// A laptop behind a proxy: enrolled through a line that can be cut, and a stock tus client with its credential.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import { DefaultHttpStack, Upload } from 'tus-js-client';
import { expect, onTestFinished } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { mailferryOk, PROGRAM, start } from '../support/mailferry.ts';
import type { Certificates } from './real-proxy.ts';

export interface Laptop {
  readonly line: ChaosProxy;
  readonly url: string;
  readonly credential: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects of it is the test
  run(...words: string[]): Promise<{ json: any; ms: number }>;
}

export async function laptop(
  root: string,
  data: string,
  port: number,
  certificates?: Certificates,
  path = '',
): Promise<Laptop> {
  const line = await ChaosProxy.start(port);
  onTestFinished(() => line.close());
  const url = (certificates ? line.url.replace('http://127.0.0.1', 'https://localhost') : line.url) + path;
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
  const { credential } = JSON.parse(readFileSync(join(root, 'identity.json'), 'utf8'));
  return { line, url, credential, run };
}

/** tus-js-client as it comes, with a chunk size as its documents advise behind proxies; then one range of what it sent. */
export async function stockClient({ url, credential }: Laptop, { ca }: Certificates): Promise<void> {
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

export function get(url: string, options: https.RequestOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const request = https.get(url, options, async (response) => {
      resolve(Buffer.concat(await response.toArray()));
    });
    request.once('error', reject);
  });
}
