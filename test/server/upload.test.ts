// Uploads over HTTP: good packs are published once and for all, bad ones leave no trace, cuts lose nothing that arrived.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STALL_MS } from '../../client/http/http-client.ts';
import { ACK_BYTES, ACK_MS } from '../../shared/routes.ts';
import { buildPack } from './support/build-pack.ts';
import type { DeviceClient } from './support/device-client.ts';
import { TestServer } from './support/test-server.ts';

let server: TestServer;
let device: DeviceClient;

beforeAll(async () => {
  server = await TestServer.start({ limits: { fileBytes: 100_000_000 } });
  device = await server.enrol();
});
afterAll(() => server.dispose());

async function staged(): Promise<string[]> {
  return readdir(join(server.directory, 'vaults', device.device, 'uploads'));
}

function zeros(length: number): Uint8Array {
  return new Uint8Array(length);
}

describe('a pack', () => {
  it('is published with its last byte, and known and durable from then on', async () => {
    const pack = buildPack([randomBytes(70_000), zeros(4_194_304), zeros(1)]);
    expect((await device.send('HEAD', `/v1/packs/${pack.id}`)).status).toBe(404);
    const created = await device.createUpload({ kind: 'pack', id: pack.id }, pack.bytes.length);
    const location = created.headers.get('location')!;
    expect(location).toMatch(/^\/v1\/uploads\/[0-9a-f]{32}$/);
    const first = await device.patch(location, 0, pack.bytes.subarray(0, 40_000));
    expect([first.status, first.headers.get('upload-offset')]).toEqual([204, '40000']);
    const last = await device.patch(location, 40_000, pack.bytes.subarray(40_000));
    expect([last.status, last.headers.get('upload-offset')]).toEqual([204, String(pack.bytes.length)]);
    expect((await device.get(`/v1/packs/${pack.id}`)).json).toEqual({
      id: pack.id,
      bytes: pack.bytes.length,
    });
    const head = await device.head(location);
    expect(head.headers.get('upload-offset')).toBe(String(pack.bytes.length));
    const path = join(server.directory, 'vaults', device.device, 'packs', pack.id.slice(0, 2), pack.id);
    expect((await readFile(path)).equals(pack.bytes)).toBe(true);
    expect(await staged()).toEqual([]);
  });

  it('may come again: the answer is the same and nothing is kept twice', async () => {
    const pack = buildPack([randomBytes(70_000)]);
    expect((await device.sendPack(pack)).status).toBe(204);
    expect((await device.sendPack(pack)).status).toBe(204);
    const both = await Promise.all([device.sendPack(pack), device.sendPack(pack)]);
    expect(both.map((reply) => reply.status)).toEqual([204, 204]);
    expect(await staged()).toEqual([]);
  });

  const good = buildPack([randomBytes(70_000), zeros(100_000)]);
  const flipped = Buffer.from(good.bytes);
  flipped[500]! ^= 1;
  const bomb = buildPack([zeros(4_000_000)], { 0: { rawLength: 1_000_000 } });
  const short = buildPack([zeros(4_000)], { 0: { rawLength: 1_000_000 } });
  const liar = buildPack([zeros(100_000)], { 0: { hash: randomBytes(32) } });
  const BAD: [string, string, Buffer][] = [
    ['another id', 'ab'.repeat(32), good.bytes],
    ['a flipped bit', good.id, flipped],
    ['its end cut off', good.id, good.bytes.subarray(0, -20)],
    ['random bytes', good.id, randomBytes(5_000)],
    ['a bomb in a frame', bomb.id, bomb.bytes],
    ['a frame shorter than stated', short.id, short.bytes],
    ['a frame with a wrong hash', liar.id, liar.bytes],
  ];
  for (const [name, id, bytes] of BAD) {
    it(`is refused with ${name}, and leaves no trace`, async () => {
      const created = await device.createUpload({ kind: 'pack', id }, bytes.length);
      const reply = await device.patch(created.headers.get('location')!, 0, bytes);
      expect(reply.json).toMatchObject({ status: 422, code: 'pack_refused' });
      expect(reply.headers.get('content-type')).toContain('application/problem+json');
      expect((await device.head(created.headers.get('location')!)).status).toBe(404);
      expect((await device.get(`/v1/packs/${id}`)).status).toBe(404);
      expect(await staged()).toEqual([]);
    });
  }
});

describe('creation', () => {
  const REFUSED: [string, Record<string, string>, number, number, string][] = [
    ['no kind', { filename: 'x' }, 100, 400, 'malformed'],
    ['an unknown kind', { kind: 'exe' }, 100, 400, 'malformed'],
    ['a pack without id', { kind: 'pack' }, 100, 400, 'malformed'],
    ['a path as id', { kind: 'pack', id: '../../etc/passwd' }, 100, 400, 'malformed'],
    ['a pack that is too small', { kind: 'pack', id: 'ab'.repeat(32) }, 56, 400, 'malformed'],
    ['a pack that is too large', { kind: 'pack', id: 'ab'.repeat(32) }, 67_108_865, 413, 'too_large'],
    ['a file without path', { kind: 'file' }, 100, 400, 'malformed'],
    ['a NUL in the path', { kind: 'file', path: 'a\0b' }, 100, 400, 'malformed'],
    ['a time that is none', { kind: 'file', path: 'a', mtime: 'yesterday' }, 100, 400, 'malformed'],
    ['a file that is too large', { kind: 'file', path: 'a' }, 100_000_001, 413, 'too_large'],
  ];
  for (const [name, metadata, length, status, code] of REFUSED) {
    it(`refuses ${name} before anything is written`, async () => {
      const reply = await device.createUpload(metadata, length);
      expect([reply.status, reply.json.code]).toEqual([status, code]);
      expect(await staged()).toEqual([]);
    });
  }

  it('derives nothing from the Host header and offers nothing to other origins', async () => {
    const reply = await new Promise<import('node:http').IncomingMessage>((resolve) => {
      request(`${server.url}/v1/uploads`, {
        method: 'POST',
        headers: {
          host: 'evil.example',
          'x-forwarded-host': 'evil.example',
          origin: 'http://evil.example',
          authorization: `Bearer ${device.credential}`,
          'tus-resumable': '1.0.0',
          'upload-length': '10',
          'upload-metadata': `kind ${Buffer.from('file').toString('base64')},path YQ==`,
        },
      })
        .on('response', (answer) => resolve(answer.resume()))
        .end();
    });
    expect(reply.statusCode).toBe(201);
    expect(reply.headers.location).toMatch(/^\/v1\/uploads\//);
    expect(JSON.stringify(reply.headers)).not.toMatch(/evil|access-control/);
  });

  it('lets no page of another origin read an answer, and nobody ask without a credential', async () => {
    const origin = { origin: 'http://evil.example', 'access-control-request-method': 'PATCH' };
    const tus = { ...origin, 'tus-resumable': '1.0.0' };
    const location = (await device.createUpload({ kind: 'file', path: 'a' }, 10)).headers.get('location')!;
    const chunk = { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' };
    const replies = [
      await device.send('OPTIONS', '/v1/uploads', origin),
      await device.send('OPTIONS', location, origin),
      await device.send('HEAD', location, tus),
      await device.send('PATCH', location, { ...chunk, 'upload-offset': '5' }, new Uint8Array(1)),
      await device.send('PATCH', location, chunk, new Uint8Array(10)),
    ];
    expect(replies.slice(2).map(({ status }) => status)).toEqual([200, 409, 204]);
    for (const { headers } of replies)
      expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    for (const path of ['/v1/uploads', location]) {
      const answer = await fetch(server.url + path, { method: 'OPTIONS', headers: origin });
      expect(answer.status).toBe(401);
      expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
  });

  it('speaks of what tus says in its own statuses, and always as a problem', async () => {
    const location = (await device.createUpload({ kind: 'file', path: 'a' }, 10)).headers.get('location')!;
    const tus = { 'tus-resumable': '1.0.0' };
    const chunk = { ...tus, 'content-type': 'application/offset+octet-stream' };
    const CASES: [number, Record<string, string>][] = [
      [412, {}],
      [412, { 'tus-resumable': '0.2.2' }],
      [415, { ...tus, 'upload-offset': '0', 'content-type': 'text/plain' }],
      [400, chunk],
      [400, { ...chunk, 'upload-offset': '-1' }],
      [409, { ...chunk, 'upload-offset': '5' }],
    ];
    for (const [status, headers] of CASES) {
      const reply = await device.send('PATCH', location, headers, new Uint8Array(1));
      expect([status, headers, reply.status]).toEqual([status, headers, status]);
      expect(reply.json.status).toBe(status);
    }
    const long = await device.patch(location, 0, new Uint8Array(11));
    expect([long.status, long.json.code]).toEqual([413, 'too_large']);
    const deferred = await device.send('POST', '/v1/uploads', { ...tus, 'upload-defer-length': '1' });
    expect(deferred.status).toBe(501);
  });
});

describe('a cut', () => {
  /** Sends the first part of a PATCH and leaves it there. */
  function begin(location: string, length: number, bytes: Uint8Array, headers: Record<string, string> = {}) {
    const acks: number[] = [];
    const open = request(server.url + location, {
      method: 'PATCH',
      headers: {
        authorization: `Bearer ${device.credential}`,
        'tus-resumable': '1.0.0',
        'upload-offset': '0',
        'content-type': 'application/offset+octet-stream',
        'content-length': String(length),
        ...headers,
      },
    });
    open.on('error', () => undefined);
    open.on('information', (info) => acks.push(Number(info.headers['upload-offset'])));
    open.write(bytes);
    return { open, acks };
  }

  it('keeps what arrived, and the next HEAD says so at once', async () => {
    const bytes = randomBytes(3_000_000);
    const created = await device.createUpload({ kind: 'file', path: 'cut' }, bytes.length);
    const location = created.headers.get('location')!;
    const { open, acks } = begin(location, bytes.length, bytes.subarray(0, 2_000_001), {
      'mailferry-acks': '1',
    });
    await expect.poll(() => acks.at(-1), { timeout: 5_000 }).toBeGreaterThan(2_000_001 - ACK_BYTES);
    expect(acks.every((offset, at) => offset - (acks[at - 1] ?? 0) >= ACK_BYTES)).toBe(true);
    open.destroy();
    const before = performance.now();
    const head = await device.head(location);
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(head.headers.get('upload-offset')).toBe('2000001');
    expect((await device.patch(location, 2_000_001, bytes.subarray(2_000_001))).status).toBe(204);
  });

  it('is noticed where the connection is silent but open: HEAD takes over', async () => {
    const created = await device.createUpload({ kind: 'file', path: 'silent' }, 1_000_000);
    const location = created.headers.get('location')!;
    const { open, acks } = begin(location, 1_000_000, randomBytes(500_000));
    await expect.poll(async () => (await readStaged(location)).length, { timeout: 5_000 }).toBe(500_000);
    const before = performance.now();
    const head = await device.head(location);
    expect(head.headers.get('upload-offset')).toBe('500000');
    expect(performance.now() - before).toBeLessThan(1_500);
    expect(acks).toEqual([]);
    open.destroy();
  });

  it('is told to a client on a slow line too, in time for its watchdog', { timeout: 20_000 }, async () => {
    const created = await device.createUpload({ kind: 'file', path: 'slow' }, 1_000_000);
    const location = created.headers.get('location')!;
    const { open, acks } = begin(location, 1_000_000, randomBytes(10_000), { 'mailferry-acks': '1' });
    await expect.poll(() => acks, { timeout: 2 * ACK_MS }).toEqual([10_000]);
    open.write(randomBytes(1));
    await expect.poll(() => acks, { timeout: 2 * ACK_MS }).toEqual([10_000, 10_001]);
    expect(ACK_MS).toBeLessThan(STALL_MS / 2);
    open.destroy();
  });

  it('is not waited for: the last byte is told at once, before the pack is checked, however little it is', async () => {
    const pack = buildPack([randomBytes(70_000)]);
    expect(pack.bytes.length).toBeLessThan(ACK_BYTES);
    const created = await device.createUpload({ kind: 'pack', id: pack.id }, pack.bytes.length);
    const location = created.headers.get('location')!;
    const { open, acks } = begin(location, pack.bytes.length, pack.bytes, { 'mailferry-acks': '1' });
    const answered = once(open, 'response');
    open.end();
    const [answer] = (await answered) as [IncomingMessage];
    expect([answer.statusCode, acks]).toEqual([204, [pack.bytes.length]]);
    answer.resume();
  });

  function readStaged(location: string): Promise<Buffer> {
    return readFile(join(server.directory, 'vaults', device.device, 'uploads', location.split('/').at(-1)!));
  }
});
