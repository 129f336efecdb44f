// A page of another origin, in a real browser: Uppy sends by tus through nginx and TLS where the operator allows its origin, and only there.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { startServer, stop } from '../support/mailferry.ts';
import { lacks, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { get, laptop } from './laptop.ts';
import { makeCertificates, startProxy } from './real-proxy.ts';

const CHROMIUM = '/usr/bin/chromium';
const reason = lacks('nginx', 'openssl') ?? (existsSync(CHROMIUM) ? null : 'chromium is not installed');

/** A page with Uppy on it, at an origin of its own. */
async function pageWithUppy(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('./uppy-page.mjs', import.meta.url))],
    bundle: true,
    format: 'iife',
    write: false,
    logLevel: 'silent',
  });
  const script = outputFiles[0]!.text;
  const server = createServer(({ url }, response) => {
    const isScript = url === '/page.js';
    response.setHeader(
      'content-type',
      isScript ? 'text/javascript; charset=utf-8' : 'text/html; charset=utf-8',
    );
    response.end(isScript ? script : '<!doctype html><title>Uppy</title><script src="/page.js"></script>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test(named("F13: Uppy's tus in Chromium, with CORS on and off", reason), {
  timeout: 120_000,
}, async (context) => {
  context.skip(reason !== null, reason ?? '');
  const root = tempDir();
  chmodSync(root, 0o755);
  const origin = await pageWithUppy();
  const certificates = makeCertificates(root);
  const data = join(root, 'data');
  const server = await startServer(data, 0, '--allow-origin', origin);
  onTestFinished(async () => void (await stop(server)));
  const way = await startProxy('nginx', { root: join(root, 'proxy'), target: server.port, certificates });
  onTestFinished(() => way.stop());
  const { url, credential } = await laptop(join(root, 'device'), data, way.port, certificates);
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--ignore-certificate-errors'],
  });
  onTestFinished(() => browser.close());
  const bytes = randomBytes(6_000_000);
  const sentBy = async (at: string, name: string) => {
    const page = await browser.newPage();
    await page.goto(at);
    const asked = { endpoint: `${url}/v1/uploads`, credential, name, base64: bytes.toString('base64') };
    const words = JSON.stringify({ ...asked, chunkSize: 2_500_000 });
    return page.evaluate(`send(${words})`);
  };

  expect(await sentBy(origin, 'Menü 邮件.pst')).toBe('sent 1');
  const options = { ca: readFileSync(certificates.ca), headers: { Authorization: `Bearer ${credential}` } };
  const path = encodeURIComponent('/Menü 邮件.pst');
  const { versions } = JSON.parse(String(await get(`${url}/v1/versions?path=${path}`, options)));
  const content = await get(`${url}/v1/versions/${versions[0].id}/content`, options);
  expect(content.equals(bytes)).toBe(true);

  // Another origin: the same page by another name.
  expect(await sentBy(origin.replace('127.0.0.1', 'localhost'), 'other.pst')).toMatch(/failed|error/i);
  const none = JSON.parse(String(await get(`${url}/v1/versions?path=/other.pst`, options)));
  expect(none.versions).toEqual([]);
});
