// Two devices, every route: asked with the other's ids, the server answers exactly as for ids that do not exist.
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEVICE_ROUTES } from '../../server/http/device-routes.ts';
import { buildPack } from './support/build-pack.ts';
import { commitOf, type DeviceClient, type Reply } from './support/device-client.ts';
import { TestServer } from './support/test-server.ts';

let server: TestServer;
let owner: DeviceClient;
let other: DeviceClient;
/** Ids that are the owner's, and ids that nobody has. */
let own: { pack: string; version: string; upload: string; base: string };
let absent: typeof own;

beforeAll(async () => {
  server = await TestServer.start();
  owner = await server.enrol('owner');
  other = await server.enrol('other');
  const bytes = randomBytes(100_000);
  const pack = buildPack([bytes]);
  await owner.sendPack(pack);
  const version = randomUUID();
  const runs = [{ at: 0, length: 100_000, pack: pack.id, offset: 0 }];
  expect((await owner.putVersion(version, commitOf(bytes, null, runs, [0, 1]))).status).toBe(201);
  const created = await owner.createUpload({ kind: 'file', path: '/a' }, 1_000);
  await owner.patch(created.headers.get('location')!, 0, bytes.subarray(0, 500));
  own = {
    pack: pack.id,
    version,
    upload: created.headers.get('location')!.split('/').at(-1)!,
    base: version,
  };
  const nowhere = randomUUID();
  absent = { pack: 'cd'.repeat(32), version: nowhere, upload: 'ef'.repeat(16), base: nowhere };
});
afterAll(() => server.dispose());

/** What of an answer can differ: all but the date. */
function essence({ status, headers, bytes }: Reply): unknown {
  const rest = [...headers].filter(([name]) => name !== 'date').sort();
  return { status, headers: rest, body: bytes.toString() };
}

const TUS = { 'tus-resumable': '1.0.0' };
const CHUNK = { ...TUS, 'content-type': 'application/offset+octet-stream' };

const REQUESTS: { name: string; send: (ids: typeof own) => Promise<Reply> }[] = [
  ...DEVICE_ROUTES.filter(({ method, url }) => method !== 'PUT' && url.includes(':id')).map(
    ({ method, url }) => ({
      name: `${method} ${url}`,
      send: (ids: typeof own) =>
        other.send(method, url.replace(':id', url.includes('/packs/') ? ids.pack : ids.version)),
    }),
  ),
  { name: 'HEAD upload', send: (ids) => other.head(`/v1/uploads/${ids.upload}`) },
  ...[0, 500].map((offset) => ({
    name: `PATCH upload at ${offset}`,
    send: (ids: typeof own) => other.patch(`/v1/uploads/${ids.upload}`, offset, Buffer.alloc(10)),
  })),
  { name: 'DELETE upload', send: (ids) => other.send('DELETE', `/v1/uploads/${ids.upload}`, TUS) },
  {
    name: 'empty PATCH of an upload',
    send: (ids) => other.send('PATCH', `/v1/uploads/${ids.upload}`, { ...CHUNK, 'upload-offset': '500' }),
  },
  {
    name: 'commit on a base',
    send: (ids) => other.putVersion(randomUUID(), commitOf(Buffer.alloc(10), ids.base, [], [])),
  },
];

describe('another device', () => {
  it('is asked on every route that takes an id', () => {
    expect(REQUESTS.length).toBeGreaterThanOrEqual(12);
  });

  for (const { name, send } of REQUESTS) {
    it(`gets the same answer to ${name} for what is not its own as for what is not there`, async () => {
      const foreign = essence(await send(own));
      expect(foreign).toEqual(essence(await send(absent)));
      expect((foreign as Reply).status).toBeGreaterThanOrEqual(400);
    });
  }

  it('can not tell a foreign pack by a commit: only the id it named itself differs', async () => {
    const answers = await Promise.all(
      [own.pack, absent.pack].map(async (pack) => {
        const runs = [{ at: 0, length: 10, pack, offset: 0 }];
        const reply = await other.putVersion(randomUUID(), commitOf(Buffer.alloc(10), null, runs, [0]));
        return JSON.stringify(essence(reply)).replaceAll(pack, 'PACK');
      }),
    );
    expect(answers[0]).toBe(answers[1]);
    expect(answers[0]).toContain('packs_missing');
  });

  it('may use the id of a foreign version for its own, and neither sees the other', async () => {
    const reply = await other.putVersion(
      own.version,
      commitOf(new Uint8Array(0), null, [], [], { path: '/mine' }),
    );
    expect(reply.status).toBe(201);
    expect((await other.get('/v1/versions')).json.versions).toHaveLength(1);
    expect((await owner.get(`/v1/versions/${own.version}`)).json.size).toBe(100_000);
  });

  it('finds nothing of the owner in any list, whatever cursor it hands in', async () => {
    const lists = DEVICE_ROUTES.filter(({ method, url }) => method === 'GET' && !url.includes(':id'));
    expect(lists.map(({ url }) => url).sort()).toEqual(['/v1/receipts', '/v1/versions']);
    const pages = await owner.get('/v1/versions?partial=true&limit=1');
    const words = [
      '',
      '?limit=10000',
      '?partial=true&cursor=999999',
      '?newest=each',
      `?id=${own.version}`,
      `?path=${encodeURIComponent(pages.json.versions[0].path)}`,
      '?at=2999-01-01T00:00:00Z',
      '?after=0',
    ];
    for (const { url } of lists) {
      for (const query of words) {
        const { status, json } = await other.get(url + query);
        if (status === 400) continue;
        for (const one of json.versions ?? json.receipts) {
          expect(JSON.stringify(one)).not.toContain(owner.device);
          if (json.versions) expect(one.path).toBe('/mine');
        }
      }
    }
    expect((await owner.get('/v1/receipts')).json.receipts.length).toBeGreaterThan(0);
  });

  it('has to send every byte of a pack that somebody else has', async () => {
    expect((await other.send('HEAD', `/v1/packs/${own.pack}`)).status).toBe(404);
    const created = await other.createUpload({ kind: 'pack', id: own.pack }, 100_057);
    expect(created.status).toBe(201);
    expect((await other.head(created.headers.get('location')!)).headers.get('upload-offset')).toBe('0');
  });

  it('leaves the owner and its upload as they were', async () => {
    const head = await owner.head(`/v1/uploads/${own.upload}`);
    expect(head.headers.get('upload-offset')).toBe('500');
  });

  it('finds no route that deletes or overwrites what is stored', async () => {
    for (const path of [`/v1/versions/${own.version}`, `/v1/packs/${own.pack}`, '/v1/uploads']) {
      for (const method of path === '/v1/uploads' ? ['DELETE'] : ['DELETE', 'POST']) {
        const reply = await owner.send(method, path, TUS);
        expect([method, path, reply.status]).toEqual([method, path, 404]);
      }
    }
    for (const method of ['GET', 'POST'])
      expect((await owner.send(method, `/v1/uploads/${own.upload}`, TUS)).status).toBe(404);
    expect((await owner.get(`/v1/versions/${own.version}/content`)).bytes).toHaveLength(100_000);
  });
});
