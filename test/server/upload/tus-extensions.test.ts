// What tus 1.0 lets a server offer beside uploads themselves: expiration, termination, checksums, and OPTIONS that tells what is true.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../../server/limits.ts';
import { buildPack } from '../support/build-pack.ts';
import type { DeviceClient, Reply } from '../support/device-client.ts';
import { TestServer } from '../support/test-server.ts';

let server: TestServer;
let device: DeviceClient;
beforeEach(async () => {
  server = await TestServer.start({ limits: { uploadLifeMs: 3_600_000 } });
  server.clock = Date.now();
  device = await server.enrol();
});
afterEach(() => server.dispose());

const TUS = { 'tus-resumable': '1.0.0' };
const CHUNK = { ...TUS, 'content-type': 'application/offset+octet-stream' };

const locationOf = (reply: Reply): string => reply.headers.get('location')!;
const staging = (): string => join(server.directory, 'vaults', device.device, 'uploads');
const staged = (location: string): string => join(staging(), location.split('/').at(-1)!);
const terminate = (location: string, who = device): Promise<Reply> => who.send('DELETE', location, TUS);
const create = (length: number): Promise<Reply> => device.createUpload({ kind: 'file', path: '/a' }, length);
const sumOf = (algorithm: string, bytes: Uint8Array): string =>
  `${algorithm} ${createHash(algorithm).update(bytes).digest('base64')}`;

function patch(location: string, offset: number, bytes: Uint8Array, checksum: string): Promise<Reply> {
  const headers = { ...CHUNK, 'upload-offset': String(offset), 'upload-checksum': checksum };
  return device.send('PATCH', location, headers, new Uint8Array(bytes));
}

test('F13: Upload-Expires is the time at which the sweep forgets it, on POST, HEAD and PATCH of what is unfinished', async () => {
  const created = await create(100);
  const location = locationOf(created);
  const half = await device.patch(location, 0, new Uint8Array(50));
  const asked = await device.head(location);
  for (const reply of [created, half, asked]) {
    const expires = Date.parse(reply.headers.get('upload-expires')!);
    expect(Math.abs(expires - (Date.now() + 3_600_000))).toBeLessThan(120_000);
    expect(reply.headers.get('upload-expires')).toBe(new Date(expires).toUTCString());
  }
  const old = new Date(Date.now() - 3_000_000);
  await utimes(staged(location), old, old);
  const told = Date.parse((await device.head(location)).headers.get('upload-expires')!);
  const rests = statSync(staged(location)).mtimeMs + 3_600_000;
  expect(Math.abs(told - rests)).toBeLessThan(1_000);
  // What was told is what happens: it is there at a start before that time, and gone at one after it.
  server.clock = told - 2_000;
  await server.restart();
  await expect.poll(async () => (await device.head(location)).status).toBe(200);
  server.clock = told + 2_000;
  await server.restart();
  await expect.poll(async () => (await device.head(location)).status, { timeout: 10_000 }).toBe(404);
  const whole = await create(10);
  const done = await device.patch(locationOf(whole), 0, new Uint8Array(10));
  expect([done.status, done.headers.get('upload-expires')]).toEqual([204, null]);
  expect((await device.head(locationOf(whole))).headers.get('upload-expires')).toBeNull();
});

test('F13: an owner ends an unfinished upload; nobody else does, and nothing that is stored goes', async () => {
  const other = await server.enrol('other');
  const location = locationOf(await create(100));
  await device.patch(location, 0, new Uint8Array(50));
  const foreign = await terminate(location, other);
  expect([foreign.status, foreign.json.code]).toEqual([404, 'upload_gone']);
  expect(foreign.json).toEqual((await terminate(`/v1/uploads/${'ab'.repeat(16)}`)).json);
  expect((await device.head(location)).headers.get('upload-offset')).toBe('50');
  expect((await device.send('DELETE', location)).status).toBe(412);
  const gone = await terminate(location);
  expect([gone.status, gone.headers.get('tus-resumable')]).toEqual([204, '1.0.0']);
  expect(existsSync(staged(location))).toBe(false);
  for (const after of [
    await device.head(location),
    await terminate(location),
    await device.patch(location, 50, new Uint8Array(50)),
  ])
    expect(after.status).toBe(404);

  const pack = buildPack([randomBytes(5_000)]);
  const made = await device.createUpload({ kind: 'pack', id: pack.id }, pack.bytes.length);
  await device.patch(locationOf(made), 0, pack.bytes);
  const refused = await terminate(locationOf(made));
  expect([refused.status, refused.json.code]).toEqual([400, 'malformed']);
  expect((await device.get(`/v1/packs/${pack.id}`)).status).toBe(200);
  expect((await device.head(locationOf(made))).headers.get('upload-offset')).toBe(String(pack.bytes.length));
  for (const route of [`/v1/packs/${pack.id}`, '/v1/versions', '/v1/uploads'])
    expect((await device.send('DELETE', route, TUS)).status).toBe(404);
});

test('F13: one that is being written ends too, and its bytes count no more', async () => {
  const location = locationOf(await create(1_000_000));
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(
    `PATCH ${location} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${device.credential}\r\ntus-resumable: 1.0.0\r\n` +
      'upload-offset: 0\r\ncontent-type: application/offset+octet-stream\r\ncontent-length: 1000000\r\n\r\n' +
      'x'.repeat(5_000),
  );
  await expect.poll(() => statSync(staged(location)).size).toBe(5_000);
  expect((await terminate(location)).status).toBe(204);
  await expect.poll(() => readdirSync(staging())).toEqual([]);
  socket.destroy();
});

test.each(['sha1', 'sha256'])(
  'F13: a body is kept where its %s is the one stated, and nothing of it else',
  async (algorithm) => {
    const bytes = randomBytes(300_000);
    const location = locationOf(await create(bytes.length));
    const first = bytes.subarray(0, 200_000);
    const good = await patch(location, 0, first, sumOf(algorithm, first));
    expect([good.status, good.headers.get('upload-offset')]).toEqual([204, '200000']);
    const rest = bytes.subarray(200_000);
    const bad = await patch(location, 200_000, rest, sumOf(algorithm, bytes));
    expect([bad.status, bad.json.status]).toEqual([460, 460]);
    expect((await device.head(location)).headers.get('upload-offset')).toBe('200000');
    expect(readdirSync(staging())).toHaveLength(1);
    for (const wrong of [
      'md5 1B2M2Y8AsgTpgAmY7PhCfg==',
      `${algorithm} AAAA`,
      algorithm,
      `${algorithm} !!!`,
    ]) {
      const refused = await patch(location, 200_000, rest, wrong);
      expect([wrong, refused.status, refused.json.code]).toEqual([wrong, 400, 'malformed']);
    }
    expect((await patch(location, 200_000, rest, sumOf(algorithm, rest))).status).toBe(204);
    const [version] = (await device.get('/v1/versions')).json.versions;
    expect(version.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  },
);

test('F13: of a body with a checksum that breaks off nothing counts, and one that comes with the creation is compared', async () => {
  const bytes = randomBytes(100_000);
  const location = locationOf(await create(bytes.length));
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.write(
    `PATCH ${location} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${device.credential}\r\ntus-resumable: 1.0.0\r\n` +
      `upload-offset: 0\r\ncontent-type: application/offset+octet-stream\r\ncontent-length: 100000\r\n` +
      `upload-checksum: ${sumOf('sha1', bytes)}\r\n\r\n`,
  );
  socket.write(bytes.subarray(0, 70_000));
  await expect.poll(() => readdirSync(staging()).length).toBe(2);
  socket.destroy();
  await expect.poll(() => readdirSync(staging()).length).toBe(1);
  expect((await device.head(location)).headers.get('upload-offset')).toBe('0');
  const along = await device.send(
    'POST',
    '/v1/uploads',
    {
      ...CHUNK,
      'upload-length': '100000',
      'upload-metadata': `kind ${btoa('file')},path ${btoa('/b')}`,
      'upload-checksum': sumOf('sha256', bytes.subarray(1)),
    },
    new Uint8Array(bytes),
  );
  expect(along.status).toBe(460);
  expect((await device.get('/v1/versions')).json.versions).toEqual([]);
});

test('F13: OPTIONS tells what there is, and no more', async () => {
  const { status, headers } = await device.send('OPTIONS', '/v1/uploads');
  expect(status).toBe(204);
  expect(headers.get('tus-version')).toBe('1.0.0');
  expect(headers.get('tus-extension')!.split(',').sort()).toEqual([
    'checksum',
    'creation',
    'creation-with-upload',
    'expiration',
    'termination',
  ]);
  expect(headers.get('tus-checksum-algorithm')).toBe('sha1,sha256');
  expect(headers.get('tus-max-size')).toBe(String(DEFAULT_LIMITS.fileBytes));
  const more = await create(DEFAULT_LIMITS.fileBytes + 1);
  expect([more.status, more.json.detail.limit]).toEqual([413, DEFAULT_LIMITS.fileBytes]);
});
