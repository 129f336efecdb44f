// Lists of versions and receipts: pages that go on until there is no more, bounded by bytes and by work, in the server's order.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitOf, type DeviceClient } from '../support/device-client.ts';
import { TestServer } from '../support/test-server.ts';

let server: TestServer;
let device: DeviceClient;

/** An empty version, taken by a device whose clock shows `takenAt`, a second of the server's clock after the last. */
async function commit(
  path: string,
  more: object = {},
): Promise<{ id: string; sequence: number; receivedAt: string }> {
  server.clock += 1_000;
  const { status, json } = await device.putVersion(
    randomUUID(),
    commitOf(Buffer.alloc(0), null, [], [], { path, ...more }),
  );
  expect(status).toBe(201);
  return json;
}

/** A row of an empty version. */
function rowOf(sequence: number, path: string) {
  return {
    id: `00000000-0000-4000-8000-${String(sequence).padStart(12, '0')}`,
    sequence,
    path,
    kind: 'pst' as const,
    base: null,
    size: 0,
    mtime: '2026-01-01T00:00:00.000Z',
    taken_at: '2026-01-01T00:00:00.000Z',
    received_at: '2026-01-01T00:00:00.000Z',
    sha256: '0'.repeat(64),
    root: '0'.repeat(64),
    complete: 1 as const,
    snapshot: 'live' as const,
    outlook_running: null,
    rights: null,
    health: 'clean' as const,
    health_notes: '[]',
    body_hash: new Uint8Array(32),
    pages: new Uint8Array(0),
  };
}

/** Every entry of a list, page by page. */
async function whole(query: string, route = '/v1/versions', cursor = 'cursor') {
  const entries: { id: string; path: string; sequence: number; statement: string }[] = [];
  let pages = 0;
  for (const words = new URLSearchParams(query); ; pages++) {
    const { status, json } = await device.get(`${route}?${words}`);
    expect(status).toBe(200);
    entries.push(...(json.versions ?? json.receipts));
    if (json.next === undefined) return { entries, pages: pages + 1 };
    words.set(cursor, json.next);
  }
}

beforeAll(async () => {
  server = await TestServer.start();
  device = await server.enrol();
});
afterAll(() => server.dispose());

describe('the order', () => {
  it('B1, B2: is that of the receipts, whatever times the device states', async () => {
    const first = await commit('/clock', { takenAt: '9999-12-31T00:00:00Z' });
    const second = await commit('/clock', { takenAt: '1971-01-01T00:00:00Z' });
    const { entries } = await whole('path=/clock');
    expect(entries.map(({ id }) => id)).toEqual([second.id, first.id]);
    expect(second.sequence).toBe(first.sequence + 1);
    const at = await whole(`path=/clock&at=${first.receivedAt}`);
    expect(at.entries.map(({ id }) => id)).toEqual([first.id]);
    const eve = new Date(Date.parse(first.receivedAt) - 1).toISOString();
    expect((await whole(`path=/clock&at=${eve}`)).entries).toEqual([]);
  });

  it('B2: a time in another zone is the same time', async () => {
    const { entries } = await whole('path=/clock');
    const at = encodeURIComponent(new Date(server.clock).toISOString().replace('Z', '+00:00'));
    expect((await whole(`path=/clock&at=${at}`)).entries).toEqual(entries);
  });
});

describe('the newest of each path', () => {
  it('A2: is told of every path, page by page, in the order of the paths', async () => {
    const paths = Array.from({ length: 25 }, (_, number) => `/each/${String(number).padStart(2, '0')}`);
    for (const path of [...paths].reverse()) {
      await commit(path);
      await commit(path);
      await commit(path, { complete: false, sha256: null });
    }
    const { entries, pages } = await whole('newest=each&limit=10');
    expect(entries.map(({ path }) => path).filter((path) => path.startsWith('/each/'))).toEqual(paths);
    expect(pages).toBe(3);
    for (const { path, sequence } of entries) {
      const all = await whole(`path=${path}`);
      expect(all.entries[0]!.sequence).toBe(sequence);
    }
  });

  it('A2: goes by kind and time together', async () => {
    const old = await commit('/mixed', { kind: 'ost' });
    await commit('/mixed', { kind: 'pst' });
    const newer = await commit('/mixed', { kind: 'ost' });
    expect((await whole('newest=each&kind=ost')).entries.map(({ id }) => id)).toEqual([newer.id]);
    const { entries } = await whole(`newest=each&kind=ost&at=${old.receivedAt}`);
    expect(entries.map(({ id }) => id)).toEqual([old.id]);
  });
});

it('by the beginning of an id', async () => {
  const { id } = await commit('/by-id');
  for (const begin of [id, id.slice(0, 8), id.slice(0, 13)])
    expect((await whole(`id=${begin}`)).entries.map((one) => one.id)).toEqual([id]);
});

it('receipts come in the order of the chain, from any place on, page by page', async () => {
  const { entries, pages } = await whole('limit=7', '/v1/receipts', 'after');
  expect(entries.map(({ statement }) => JSON.parse(statement).sequence)).toEqual(
    entries.map((_, place) => place + 1),
  );
  expect(pages).toBe(Math.ceil(entries.length / 7));
  const { json } = await device.get(`/v1/receipts?after=${entries.length - 1}`);
  expect(json).toEqual({ receipts: [entries.at(-1)] });
  expect((await device.get(`/v1/receipts?after=${entries.length}`)).json).toEqual({ receipts: [] });
});

it('2.3: what a device of 0.1 asks for has the very answer that it compares with, and a last page no other key', async () => {
  expect((await device.get('/v1/versions?damaged=true&partial=true')).bytes.toString()).toBe(
    '{"versions":[]}',
  );
  const { status, json } = await device.get('/v1/versions?path=/by-id&partial=true&limit=10000');
  expect(status).toBe(200);
  expect(Object.keys(json)).toEqual(['versions']);
});

describe('A4: a page', () => {
  it('of versions with the longest paths has 2 MiB at most, and the list is whole', async () => {
    const paths = Array.from(
      { length: 300 },
      (_, number) => `/${String(number).padStart(4, '0')}${'王'.repeat(1_363)}`,
    );
    for (const path of paths) await commit(path);
    for (const query of ['', 'newest=each']) {
      const words = new URLSearchParams(query);
      const seen = new Set<string>();
      for (;;) {
        const { bytes, json } = await device.get(`/v1/versions?${words}`);
        expect(bytes.length).toBeLessThanOrEqual(2_097_152);
        for (const { path } of json.versions) seen.add(path);
        if (json.next === undefined) break;
        words.set('cursor', json.next);
      }
      for (const path of paths) expect(seen.has(path)).toBe(true);
    }
  });

  it.each([
    ['backslashes, which take two characters each in JSON, and four in a statement', '\\'.repeat(4_096), 500],
    ['the longest that 0.1 took', 'p'.repeat(32_767), 200],
    ['the longest that 0.1 took, in another script', '王'.repeat(32_000), 100],
    ['the longest that 0.1 took, of controls', '\u0001'.repeat(32_000), 20],
  ])('of paths of %s has 2 MiB at most, however old the vault is', async (_, path, count) => {
    const old = await server.enrol();
    const { versions } = server.running.catalogue.forDevice(old.device);
    for (let sequence = 1; sequence <= count; sequence++) {
      const own = String(sequence).padStart(4, '0') + path.slice(4);
      await versions.add(rowOf(sequence, own), {
        statement: JSON.stringify({ sequence, path: own }),
        signature: '0'.repeat(128),
      });
    }
    for (const query of ['', 'newest=each']) {
      const words = new URLSearchParams(query);
      let seen = 0;
      for (;;) {
        const { status, bytes, json } = await old.get(`/v1/versions?${words}`);
        expect(status).toBe(200);
        expect(bytes.length).toBeLessThanOrEqual(2_097_152);
        seen += json.versions.length;
        if (json.next === undefined) break;
        words.set('cursor', json.next);
      }
      expect(seen).toBe(count);
    }
  });

  it('of the newest of 20,000 paths goes on, also where none has a version that is asked for', {
    timeout: 180_000,
  }, async () => {
    const many = await server.enrol();
    const catalogue = server.running.catalogue.forDevice(many.device);
    await catalogue.transaction(async (rows) => {
      for (let sequence = 1; sequence <= 20_000; sequence++) {
        const receipt = { statement: JSON.stringify({ sequence }), signature: '0'.repeat(128) };
        await rows.versions.add(rowOf(sequence, `/many/${String(sequence).padStart(5, '0')}`), receipt);
      }
    });
    for (const [query, count] of [
      ['newest=each', 20_000],
      ['newest=each&kind=ost', 0],
      ['newest=each&at=1990-01-01T00:00:00Z', 0],
    ] as const) {
      const words = new URLSearchParams(query);
      let seen = 0;
      let pages = 0;
      for (;;) {
        const { json } = await many.get(`/v1/versions?${words}`);
        seen += json.versions.length;
        pages++;
        if (json.next === undefined) break;
        words.set('cursor', json.next);
      }
      expect(seen).toBe(count);
      expect(pages).toBeLessThanOrEqual(41);
    }
  });

  it.each([
    'cursor=x',
    'cursor=-1',
    'cursor=1e3',
    'cursor=99999999999999999',
    'newest=each&cursor=%00',
    'newest=each&cursor=a',
    'newest=each&partial=true',
    'newest=each&path=/a',
    'newest=some',
    'at=yesterday',
    'at=2026-13-01T00:00:00Z',
    'id=short',
    'id=%25%25%25%25%25%25%25%25',
    'limit=0',
    'limit=10001',
    'after=1',
  ])('is refused for %s', async (query) => {
    expect(await device.get(`/v1/versions?${query}`)).toMatchObject({
      status: 400,
      json: { code: 'malformed' },
    });
  });

  it.each(['after=-1', 'after=x', 'after=1.5', 'limit=0', 'cursor=1'])(
    'of receipts is refused for %s',
    async (query) => {
      expect(await device.get(`/v1/receipts?${query}`)).toMatchObject({
        status: 400,
        json: { code: 'malformed' },
      });
    },
  );
});

describe('A4: a path', () => {
  const refused = [
    'a\nb',
    'a\u0000',
    '\u007f',
    'x\u0085',
    '',
    'p'.repeat(4_097),
    '王'.repeat(1_366),
    'half \ud800',
  ];
  it.each(refused)('%j is refused in a commit, and in an upload', async (path) => {
    const body = commitOf(Buffer.alloc(0), null, [], [], { path });
    expect(await device.putVersion(randomUUID(), body)).toMatchObject({
      status: 400,
      json: { code: 'malformed' },
    });
    // In metadata half a pair has no bytes of its own: it comes as another character.
    if (path.includes('\ud800')) return;
    expect(await device.createUpload({ kind: 'file', path }, 1)).toMatchObject({ status: 400 });
  });

  it('of 4,096 bytes is taken, and found again', async () => {
    for (const path of ['p'.repeat(4_096), '王'.repeat(1_365)]) {
      const { id } = await commit(path);
      const { json } = await device.get(`/v1/versions?path=${encodeURIComponent(path)}`);
      expect(json.versions.map((one: { id: string }) => one.id)).toEqual([id]);
    }
  });
});
