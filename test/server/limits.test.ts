// What one device may take, however it asks: quota, uploads, requests, bodies; each refusal is typed and changes nothing.
import { randomBytes, randomUUID } from 'node:crypto';
import { readdir, utimes } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parseBytes } from '../../server/bytes-count.ts';
import { limitsOf } from '../../server/commands/limit-options.ts';
import { parseJson } from '../../server/http/json-body.ts';
import type { Limits } from '../../server/limits.ts';
import { buildPack } from './support/build-pack.ts';
import { commitOf, type DeviceClient, type Reply } from './support/device-client.ts';
import { TestServer } from './support/test-server.ts';

let server: TestServer;
afterEach(() => server.dispose());

async function start(limits: Partial<Limits>): Promise<DeviceClient> {
  server = await TestServer.start({ limits });
  server.clock = Date.now();
  return server.enrol();
}

const said = ({ status, json, headers }: Reply) => [status, json?.code, headers.get('retry-after')];
const idOf = (reply: Reply): string => reply.headers.get('location')!.split('/').at(-1)!;
const uploads = (device: DeviceClient, ...names: string[]): string =>
  join(server.directory, 'vaults', device.device, 'uploads', ...names);

describe('the quota', () => {
  it('counts what is stored and what is under way, however many ask at once; others are not touched', async () => {
    const device = await start({ quotaBytes: 1_000_000 });
    expect((await device.upload({ kind: 'file', path: '/a' }, randomBytes(400_000))).status).toBe(204);
    const asked = await Promise.all(
      Array.from({ length: 20 }, () => device.createUpload({ kind: 'file', path: '/b' }, 250_000)),
    );
    expect(asked.filter(({ status }) => status === 201)).toHaveLength(2);
    for (const reply of asked.filter(({ status }) => status !== 201)) {
      expect(said(reply)).toEqual([507, 'quota_full', '600']);
    }
    expect(await readdir(uploads(device))).toHaveLength(2);
    const other = await server.enrol('other');
    expect((await other.createUpload({ kind: 'file', path: '/b' }, 900_000)).status).toBe(201);
    // What was admitted goes through.
    const admitted = asked.find(({ status }) => status === 201)!;
    expect((await device.patch(admitted.headers.get('location')!, 0, randomBytes(250_000))).status).toBe(204);
  });
});

describe('unfinished uploads', () => {
  it('are a few; one that rests makes room, one that is young does not', async () => {
    const device = await start({ openUploads: 3 });
    const made: Reply[] = [];
    for (let n = 0; n < 3; n++) made.push(await device.createUpload({ kind: 'file', path: '/a' }, 100));
    const refused = await device.createUpload({ kind: 'file', path: '/a' }, 100);
    expect(said(refused)).toEqual([429, 'too_many', '1']);
    const old = new Date(Date.now() - 2 * 3_600_000);
    await utimes(uploads(device, idOf(made[1]!)), old, old);
    expect((await device.createUpload({ kind: 'file', path: '/a' }, 100)).status).toBe(201);
    const heads = await Promise.all(made.map((reply) => device.head(reply.headers.get('location')!)));
    expect(heads.map(({ status }) => status)).toEqual([200, 404, 200]);
  });

  it('are forgotten after a time, what was published is not, and neither is what has all its bytes', async () => {
    const device = await start({ uploadLifeMs: 86_400_000 });
    const bytes = randomBytes(1_000);
    await device.upload({ kind: 'file', path: '/kept' }, bytes);
    const old = await device.createUpload({ kind: 'file', path: '/old' }, 100);
    const young = await device.createUpload({ kind: 'file', path: '/young' }, 100);
    const then = new Date(Date.now() - 2 * 86_400_000);
    await utimes(uploads(device, idOf(old)), then, then);
    await server.restart();
    const status = async (reply: Reply) => (await device.head(reply.headers.get('location')!)).status;
    await expect.poll(() => status(old)).toBe(404);
    expect(await status(young)).toBe(200);
    const [version] = (await device.get('/v1/versions')).json.versions;
    expect((await device.get(`/v1/versions/${version.id}/content`)).bytes.equals(bytes)).toBe(true);
  });
});

/** A PATCH that sends nothing and stays open. */
function hang(device: DeviceClient, location: string): { end: () => void; answered: Promise<number> } {
  const open = request(server.url + location, {
    method: 'PATCH',
    headers: {
      authorization: `Bearer ${device.credential}`,
      'tus-resumable': '1.0.0',
      'upload-offset': '0',
      'content-type': 'application/offset+octet-stream',
      'content-length': '1000',
    },
  });
  open.on('error', () => undefined);
  const answered = new Promise<number>((resolve) => {
    open.once('response', (response) => resolve(response.statusCode ?? 0));
  });
  open.flushHeaders();
  return { end: () => open.destroy(), answered };
}

describe('requests of one device', () => {
  it('are so many at once, and as many again when they are over; other devices are served', async () => {
    const device = await start({ requestsPerDevice: 3 });
    const hanging = [];
    for (let n = 0; n < 3; n++) {
      const created = await device.createUpload({ kind: 'file', path: '/a' }, 1_000);
      hanging.push(hang(device, created.headers.get('location')!));
    }
    await expect.poll(async () => said(await device.get('/v1/versions'))).toEqual([429, 'too_many', '1']);
    const other = await server.enrol('other');
    expect((await other.get('/v1/versions')).status).toBe(200);
    for (const { end } of hanging) end();
    await expect.poll(async () => (await device.get('/v1/versions')).status).toBe(200);
  });
});

describe('a device that was revoked', () => {
  it('is not let in with its next request, also after a rebuild and with an older catalogue; its versions stay', async () => {
    const device = await start({});
    await device.upload({ kind: 'file', path: '/a' }, randomBytes(10));
    const { listDevices, revokeDevice } = await import('../../server/commands/device.ts');
    let text = '';
    const out = { write: (some: string) => (text += some) };
    const console = { out, err: out, now: Date.now, json: true };
    const { catalogue } = server.running;
    const revoke = (id: string) => revokeDevice(console, catalogue, server.directory, id, { now: Date.now });
    await expect(revoke('nobody')).rejects.toMatchObject({ code: 'not_found' });
    await revoke(device.device.slice(0, 8));
    expect(said(await device.get('/v1/versions'))).toEqual([401, 'unauthorized', null]);
    text = '';
    await listDevices(console, catalogue);
    expect(JSON.parse(text).devices).toEqual([
      expect.objectContaining({ id: device.device, name: 'laptop', revokedAt: expect.stringMatching(/Z$/) }),
    ]);
    expect(
      (await catalogue.forDevice(device.device).lists.list({ partial: true, limit: 9 })).items,
    ).toHaveLength(1);
    // An older copy of the catalogue says that it is let in; the vault knows better.
    const { default: Database } = await import('better-sqlite3');
    await server.stop();
    const db = new Database(join(server.directory, 'catalogue.db'));
    db.exec('UPDATE devices SET revoked_at = NULL');
    db.close();
    await server.start();
    expect((await device.get('/v1/versions')).status).toBe(401);
  });
});

describe('a body', () => {
  const ok = { path: '/x', kind: 'file' };
  it.each([
    ['brackets alone', '['.repeat(10_000)],
    ['deep objects', `${'{"a":'.repeat(1_000)}1${'}'.repeat(1_000)}`],
    ['many values', `[${'1,'.repeat(5_000)}1]`],
    ['an open text', '{"path":"abc'],
    ['nothing', ''],
    ['a bare word', 'nonsense'],
    ['a text that ends in a backslash', '{"a":"\\'],
  ])('of %s is malformed and not parsed', (_name, text) => {
    expect(() => parseJson(text)).toThrow(expect.objectContaining({ code: 'malformed' }));
  });

  it('that a request may have is parsed as JSON.parse does, whatever its texts hold', () => {
    const value = { ...ok, a: ['[[[[[[[', '}"\\"{', '\\\\', '"'], b: { c: [{ d: 1 }] }, e: null };
    expect(parseJson(JSON.stringify(value))).toEqual(value);
  });

  it('of brackets is refused over the line, quickly, without a length too', async () => {
    const device = await start({});
    const type = { 'content-type': 'application/json' };
    const deep = await device.send('PUT', `/v1/versions/${randomUUID()}`, type, '['.repeat(3_000_000));
    expect(said(deep)).toEqual([400, 'malformed', null]);
    const chunked = await fetch(`${server.url}/v1/versions/${randomUUID()}`, {
      method: 'PUT',
      headers: { ...type, authorization: `Bearer ${device.credential}` },
      body: new Blob(['{}']).stream(),
      duplex: 'half',
    } as RequestInit);
    expect([chunked.status, ((await chunked.json()) as { code: string }).code]).toEqual([400, 'malformed']);
    const proto = commitOf(Buffer.alloc(0), null, [], []);
    const text = JSON.stringify(proto).replace('{', '{"__proto__":{"complete":true},');
    expect(said(await device.send('PUT', `/v1/versions/${randomUUID()}`, type, text))[1]).toBe('malformed');
  });

  it('of the largest size comes once at a time from a device', async () => {
    const device = await start({});
    const open = request(`${server.url}/v1/versions/${randomUUID()}`, {
      method: 'PUT',
      headers: {
        authorization: `Bearer ${device.credential}`,
        'content-type': 'application/json',
        'content-length': '268000000',
      },
    });
    open.on('error', () => undefined).flushHeaders();
    await expect
      .poll(async () => {
        const commit = commitOf(Buffer.alloc(0), null, [], [], {
          healthNotes: Array(20).fill('x'.repeat(500)),
        });
        const padded = { ...commit, changes: 'A'.repeat(1_000_000) };
        return said(await device.putVersion(randomUUID(), padded));
      })
      .toEqual([429, 'too_many', '1']);
    open.destroy();
  });
});

describe('a pack of too many frames', () => {
  it('is refused by its index, and leaves nothing', async () => {
    const device = await start({});
    const { packHeader, packTail, frameHash } = await import('../../shared/pack.ts');
    const { sha256 } = await import('../../server/sha256.ts');
    const hash = frameHash(Uint8Array.of(7), sha256);
    const frames = Array.from({ length: 70_000 }, () => ({
      rawLength: 1,
      storedLength: 1,
      codec: 0 as const,
      hash,
    }));
    const bytes = Buffer.concat([packHeader(), Buffer.alloc(70_000, 7), packTail(frames, sha256)]);
    const id = Buffer.from(sha256(bytes)).toString('hex');
    expect(said(await device.upload({ kind: 'pack', id }, bytes)).slice(0, 2)).toEqual([422, 'pack_refused']);
    expect(await readdir(uploads(device))).toEqual([]);
    expect((await device.sendPack(buildPack([randomBytes(10)]))).status).toBe(204);
  });
});

describe('limits on the command line', () => {
  it('are read, and what is none is named', () => {
    expect(limitsOf({ quota: '200G', maxUploads: '5', stall: '30s' })).toEqual({
      quotaBytes: 2e11,
      openUploads: 5,
      stallMs: 30_000,
    });
    expect(limitsOf({})).toEqual({});
    for (const wrong of [{ quota: '0' }, { quota: '1.5G' }, { maxUploads: '-1' }, { maxConnections: 'x' }]) {
      expect(() => limitsOf(wrong)).toThrow(expect.objectContaining({ code: 'usage' }));
    }
    expect(parseBytes('64M')).toBe(64_000_000);
  });
});
