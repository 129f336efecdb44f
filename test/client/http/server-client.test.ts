// The device's view of the server, where the server refuses its credential: one that was put in its place is taken up by every call.
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import type { HttpClient } from '../../../client/http/http-client.ts';
import { ServerClient } from '../../../client/http/server-client.ts';

const PACK = 'a'.repeat(64);

/** A server that lets `good` in; what it was asked with. */
function serverOf(good: string) {
  const asked: (string | undefined)[] = [];
  const http = {
    send: async ({ headers }: { headers: Record<string, string> }) => {
      asked.push(headers.authorization);
      const status = headers.authorization === `Bearer ${good}` ? 200 : 401;
      const problem = { type: 'about:blank', title: 'No.', status, code: 'unauthorized', detail: 'No.' };
      return {
        status,
        headers: { 'content-type': status === 200 ? 'application/json' : 'application/problem+json' },
        body: Readable.from([Buffer.from(JSON.stringify(status === 200 ? { id: PACK } : problem))]),
      };
    },
  };
  return { http: http as unknown as HttpClient, asked };
}

test('a new credential is asked for when the one in use is refused, used at once, and kept', async () => {
  const { http, asked } = serverOf('new');
  const client = new ServerClient(http, 'http://s', 'old', async () => 'new');
  expect(await client.knowsPack(PACK)).toBe(true);
  expect(await client.knowsPack(PACK)).toBe(true);
  expect(asked).toEqual(['Bearer old', 'Bearer new', 'Bearer new']);
});

test.each<[string, (() => Promise<string | null>) | undefined, number]>([
  ['nobody is asked', undefined, 1],
  ['there is none', async () => null, 1],
  ['it is the same', async () => 'old', 1],
  ['it is refused, too', async () => 'wrong', 2],
])('where %s, it stays refused', async (_, newCredential, asks) => {
  const { http, asked } = serverOf('new');
  const client = new ServerClient(http, 'http://s', 'old', newCredential);
  await expect(client.knowsPack(PACK)).rejects.toMatchObject({ code: 'unauthorized' });
  expect(asked).toHaveLength(asks);
});

test('versions that were not asked for are left out', async () => {
  const version = (path: string, kind: string) => ({
    id: '0199a0e0-7b1c-4000-8000-000000000001',
    sequence: 1,
    path,
    kind,
    size: 1,
    mtime: '2026-11-24T08:00:00.000Z',
    takenAt: '2026-11-24T08:00:00.000Z',
    receivedAt: '2026-11-24T08:00:00.000Z',
    sha256: null,
    root: '0'.repeat(64),
    complete: true,
    snapshot: 'live',
    health: 'clean',
    healthNotes: [],
    receipt: { statement: '{}', signature: '' },
  });
  const versions = [version('/etc/cron.d/x', 'pst'), version('/srv/a.pst', 'pst'), version('/srv/b', 'file')];
  const http = {
    send: async () => ({
      status: 200,
      headers: {},
      body: Readable.from([Buffer.from(JSON.stringify({ versions }))]),
    }),
  };
  const client = new ServerClient(http as unknown as HttpClient, 'http://s', 'good');
  const told = async (query: Parameters<ServerClient['versions']>[0]) =>
    (await Array.fromAsync(client.versions(query))).map(({ path }) => path);
  expect(await told({ path: '/srv/a.pst' })).toEqual(['/srv/a.pst']);
  expect(await told({ path: '/srv/c.pst' })).toEqual([]);
  expect(await told({ kind: 'file' })).toEqual(['/srv/b']);
  expect(await told({})).toHaveLength(3);
});

test('A1: a list is asked for page by page until it ends, and one that repeats a page is no list', async () => {
  const asked: string[] = [];
  const pages: Record<string, object> = {
    '': { receipts: [{ statement: '1', signature: '' }], next: '1' },
    '1': { receipts: [], next: '7' },
    '7': { receipts: [{ statement: '8', signature: '' }] },
  };
  let repeats = false;
  const http = {
    send: async ({ url }: { url: string }) => {
      const after = new URL(url).searchParams.get('after');
      asked.push(url);
      const page = repeats ? { receipts: [], next: after } : pages[after === '0' ? '' : after!]!;
      return { status: 200, headers: {}, body: Readable.from([Buffer.from(JSON.stringify(page))]) };
    },
  };
  const client = new ServerClient(http as unknown as HttpClient, 'http://s', 'good');
  const all = await Array.fromAsync(client.receiptsAfter(0));
  expect(all.map(({ statement }) => statement)).toEqual(['1', '8']);
  expect(asked).toHaveLength(3);
  repeats = true;
  await expect(Array.fromAsync(client.receiptsAfter(5))).rejects.toMatchObject({ code: 'unreachable' });
});

test('F10: a path too long for a URL is asked for in a body, and by its URL where the server is old', async () => {
  const ask = async (path: string, searches: boolean) => {
    const asked: string[] = [];
    const http = {
      send: async ({ method, url, body }: { method: string; url: string; body?: Uint8Array }) => {
        const { pathname, searchParams } = new URL(url);
        const said = body ? JSON.parse(Buffer.from(body).toString()).path : searchParams.get('path');
        asked.push(`${method} ${pathname} ${said === path}`);
        const status = method === 'POST' && !searches ? 404 : 200;
        const problem = { type: 'about:blank', title: 'No.', status, code: 'not_found' };
        return {
          status,
          headers: { 'content-type': status === 200 ? 'application/json' : 'application/problem+json' },
          body: Readable.from([Buffer.from(JSON.stringify(status === 200 ? { versions: [] } : problem))]),
        };
      },
    } as unknown as HttpClient;
    const client = new ServerClient(http, 'http://s/below', 'old');
    for (let turn = 0; turn < 2; turn++) for await (const _ of client.versions({ path })) expect.fail();
    return asked;
  };
  const long = `/${'信'.repeat(1_365)}`;
  const search = 'POST /below/v1/versions/search true';
  const list = 'GET /below/v1/versions true';
  expect(await ask(long, true)).toEqual([search, search]);
  expect(await ask(long, false)).toEqual([search, list, list]);
  expect(await ask('/short', true)).toEqual([list, list]);
});

test('F7: of an upload its place below the server is kept, and none elsewhere is taken', () => {
  const client = new ServerClient({} as HttpClient, 'https://h/a/b/', null);
  expect(client.routeOf('https://h/a/b/v1/uploads/x')).toBe('/v1/uploads/x');
  expect(client.url(client.routeOf('/a/b/v1/uploads/x'))).toBe('https://h/a/b/v1/uploads/x');
  for (const url of [
    'https://h/v1/uploads/x',
    'https://h/a/bc/x',
    'http://h/a/b/x',
    'https://g/a/b/x',
    '/a/b/../x',
  ])
    expect(() => client.routeOf(url)).toThrow(/not below it/);
});
