// What lies in front of a server: caches, clients without PATCH, web pages, path prefixes. Each through HTTP, as a client meets it.
import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Readable } from 'node:stream';
import { Upload } from 'tus-js-client';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { type FrontSettings, frontOf } from '../../../server/front.ts';
import { sha256 } from '../../../server/sha256.ts';
import { toHex } from '../../../shared/byte-codec.ts';
import { buildPack } from '../support/build-pack.ts';
import { commitOf, type DeviceClient } from '../support/device-client.ts';
import { TestServer } from '../support/test-server.ts';

let server: TestServer;
afterEach(() => server?.dispose());

async function start(settings: FrontSettings = {}): Promise<DeviceClient> {
  server = await TestServer.start({ front: frontOf(settings) });
  server.clock = Date.now();
  return server.enrol();
}

const TUS = { 'tus-resumable': '1.0.0' };
const CHUNK = { ...TUS, 'content-type': 'application/offset+octet-stream' };
const FILE = `kind ${btoa('file')},path ${btoa('/a')}`;

/** Passes on to the server, with `prefix` taken off the path where `strips`, and with these headers added. */
async function proxy(prefix: string, strips: boolean, added: Record<string, string> = {}): Promise<string> {
  const front: Server = createServer((incoming, outgoing) => {
    if (!incoming.url!.startsWith(`${prefix}/`)) {
      outgoing.writeHead(404).end('another site');
      return;
    }
    const onward = request(
      server.url + (strips ? incoming.url!.slice(prefix.length) : incoming.url!),
      { method: incoming.method!, headers: { ...incoming.headers, ...added } },
      (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    front.closeAllConnections();
    front.close();
  });
  return `http://127.0.0.1:${(front.address() as AddressInfo).port}${prefix}`;
}

/** Says `text` on a connection of its own; all that came back. */
function talk(text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    let heard = '';
    socket.on('data', (data) => {
      heard += data;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(heard));
    socket.write(text);
  });
}

test('F8: no answer may be kept by a cache, whatever was asked and however it ended', async () => {
  const device = await start();
  const bytes = randomBytes(10_000);
  const pack = buildPack([bytes]);
  const sent = await device.sendPack(pack);
  const id = randomUUID();
  const commit = commitOf(bytes, null, [{ at: 0, length: 10_000, pack: pack.id, offset: 0 }], [0]);
  const created = await device.createUpload({ kind: 'file', path: '/a' }, 10);
  const location = created.headers.get('location')!;
  const answers = [
    sent,
    created,
    await device.putVersion(id, commit),
    await device.head(location),
    await device.patch(location, 5, new Uint8Array(1)),
    await device.get(`/v1/packs/${pack.id}`),
    await device.send('HEAD', `/v1/packs/${pack.id}`),
    await device.get('/v1/versions'),
    await device.get('/v1/receipts'),
    await device.get(`/v1/versions/${id}`),
    await device.get(`/v1/versions/${id}/content`),
    await device.get(`/v1/versions/${id}/content`, { range: 'bytes=1-5' }),
    await device.get(`/v1/versions/${id}/content`, { range: 'bytes=20000-' }),
    await device.get(`/v1/versions/${id}/fingerprint`),
    await device.get(`/v1/versions/${randomUUID()}`),
    await device.get('/v1/versions?limit=x'),
    await device.get('/nowhere'),
    await device.send('OPTIONS', '/v1/uploads'),
    await device.send('POST', '/v1/devices', { 'content-type': 'application/json' }, '{}'),
    await device.get('/v1/versions', { authorization: 'Bearer none' }),
    await device.get('/readyz'),
  ];
  const said = answers.map(({ status, headers }) => [status, headers.get('cache-control')]);
  expect(said).toEqual(said.map(([status]) => [status, 'private, no-store']));
  expect(new Set(said.map(([status]) => status)).size).toBeGreaterThan(7);
  for (const text of ['GET / HTTP/1.1\r\nhost: x\r\ncontent-length: no\r\n\r\n', 'nonsense\r\n\r\n'])
    expect(await talk(text)).toMatch(/^HTTP\/1\.1 400 .*cache-control: private, no-store\r\n.*"malformed"/s);
});

test('F9: a request stands for the method that X-HTTP-Method-Override names', async () => {
  const device = await start();
  const bytes = randomBytes(2_000);
  const created = await device.send('POST', '/v1/uploads', {
    ...TUS,
    'upload-length': '2000',
    'upload-metadata': FILE,
    'x-http-method-override': 'POST',
  });
  expect(created.status).toBe(201);
  const location = created.headers.get('location')!;
  const post = (method: string, headers: Record<string, string>, body?: Buffer) =>
    device.send(
      'POST',
      location,
      { ...headers, 'x-http-method-override': method },
      body && new Uint8Array(body),
    );
  const first = await post('PATCH', { ...CHUNK, 'upload-offset': '0' }, bytes.subarray(0, 500));
  expect([first.status, first.headers.get('upload-offset')]).toEqual([204, '500']);
  // The method of the request counts for nothing, and neither does the case of the word.
  const put = { ...CHUNK, 'upload-offset': '500', 'x-http-method-override': 'patch' };
  expect((await device.send('PUT', location, put, new Uint8Array(bytes.subarray(500, 900)))).status).toBe(
    204,
  );
  const asked = await post('HEAD', TUS);
  expect([asked.status, asked.headers.get('upload-offset')]).toEqual([200, '900']);
  const options = await post('OPTIONS', {});
  expect([options.status, options.headers.get('tus-version')]).toEqual([204, '1.0.0']);
  const far = await post('HEAD', { 'tus-resumable': '0.1' });
  expect([far.status, far.json.status]).toEqual([412, 412]);
  expect((await post('DELETE', TUS)).status).toBe(204);
  expect((await device.head(location)).status).toBe(404);
  // Elsewhere it is a header like any other.
  expect((await device.get('/v1/versions', { 'x-http-method-override': 'DELETE' })).status).toBe(200);
});

test('F12: pages of the origins named may ask and read, others learn nothing', async () => {
  const page = 'https://mail.example.org';
  const device = await start({ origins: [`${page}/`, 'http://localhost:3000'] });
  const ask = (origin: string, path: string) =>
    fetch(server.url + path, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'PATCH',
        'access-control-request-headers': 'authorization,tus-resumable,upload-offset,content-type',
      },
    });
  for (const path of ['/v1/uploads', `/v1/uploads/${'ab'.repeat(16)}`, '/v1/versions']) {
    const answer = await ask(page, path);
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([204, page]);
    expect(answer.headers.get('access-control-allow-methods')).toContain('PATCH');
    const headers = answer.headers.get('access-control-allow-headers')!.toLowerCase();
    for (const name of ['authorization', 'tus-resumable', 'upload-offset', 'content-type', 'upload-metadata'])
      expect(headers).toContain(name);
    expect(answer.headers.get('vary')).toContain('Origin');
  }
  for (const origin of [
    'https://evil.example',
    'null',
    'https://mail.example.org.evil.example',
    `${page}:8443`,
  ]) {
    const answer = await ask(origin, '/v1/uploads');
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([401, null]);
  }
  const created = await device.send('POST', '/v1/uploads', {
    ...TUS,
    origin: page,
    'upload-length': '10',
    'upload-metadata': FILE,
  });
  const refused = await device.get('/v1/versions/x', { origin: page });
  const stranger = await device.get('/v1/versions', { origin: page, authorization: 'Bearer none' });
  expect([created.status, refused.status, stranger.status]).toEqual([201, 404, 401]);
  for (const { headers } of [created, refused, stranger]) {
    expect(headers.get('access-control-allow-origin')).toBe(page);
    expect(headers.get('access-control-expose-headers')).toMatch(/Location.*Upload-Offset/);
    expect(headers.get('access-control-allow-credentials')).toBeNull();
  }
  for (const wrong of ['*', 'null', 'mail.example.org', 'https://mail.example.org/path', 'file:///x'])
    expect(() => frontOf({ origins: [wrong] })).toThrow(/is no origin/);
});

/** What a stock client makes of an endpoint: a file in two requests. */
function stock(endpoint: string, device: DeviceClient, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const upload: Upload = new Upload(Readable.from([bytes], { objectMode: false }), {
      endpoint,
      headers: { Authorization: `Bearer ${device.credential}` },
      metadata: { kind: 'file', path: '/a' },
      uploadSize: bytes.length,
      chunkSize: 60_000,
      retryDelays: null,
      onSuccess: () => resolve(upload.url!),
      onError: reject,
    });
    upload.start();
  });
}

test.each([
  { name: 'with --base-path, as it is', settings: { basePath: '/mailferry' }, strips: false, added: {} },
  { name: 'with --base-path, taken off', settings: { basePath: '/mailferry/' }, strips: true, added: {} },
  {
    name: 'told by a known proxy',
    settings: { proxies: ['127.0.0.0/8'] },
    strips: true,
    added: { 'x-forwarded-prefix': '/mailferry' },
  },
])('F7: a stock client uploads below a path prefix ($name)', async ({ settings, strips, added }) => {
  const device = await start(settings);
  const endpoint = await proxy('/mailferry', strips, added);
  const bytes = randomBytes(100_000);
  const url = await stock(`${endpoint}/v1/uploads`, device, bytes);
  expect(url.startsWith(`${endpoint}/v1/uploads/`)).toBe(true);
  const [version] = (await device.get('/v1/versions')).json.versions;
  expect(version.sha256).toBe(toHex(sha256(bytes)));
  const health = await fetch(`${endpoint}/healthz`);
  expect(health.status).toBe(200);
});

test('F7: nobody but a known proxy says under which path the server lies, and none says it wrongly', async () => {
  const device = await start({ proxies: ['10.0.0.0/8', '::2'] });
  const create = async (prefix: string): Promise<string | null> => {
    const headers = { ...TUS, 'upload-length': '9', 'upload-metadata': FILE, 'x-forwarded-prefix': prefix };
    return (await device.send('POST', '/v1/uploads', headers)).headers.get('location');
  };
  expect(await create('/mailferry')).toMatch(/^\/v1\/uploads\//);
  await server.dispose();
  const again = await start({ proxies: ['127.0.0.1'] });
  const ask = async (prefix: string): Promise<string | null> => {
    const headers = { ...TUS, 'upload-length': '9', 'upload-metadata': FILE, 'x-forwarded-prefix': prefix };
    return (await again.send('POST', '/v1/uploads', headers)).headers.get('location');
  };
  expect(await ask('/a/b/')).toMatch(/^\/a\/b\/v1\/uploads\//);
  for (const wrong of ['//evil.example', 'https://evil.example', '/a/../..', 'a', '/a b', '/a,/b'])
    expect(await ask(wrong)).toMatch(/^\/v1\/uploads\//);
  for (const wrong of ['mailferry', '/a//b', '/..', '/a?b', '/ü'])
    expect(() => frontOf({ basePath: wrong })).toThrow(/is no path/);
  for (const wrong of ['proxy', '10.0.0.0/33', '10.0.0.0/8/8', '::/x', ''])
    expect(() => frontOf({ proxies: [wrong] })).toThrow(/is no address/);
});
