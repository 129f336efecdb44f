// Uploads by tus against the stock server: created once, resumed by their URL, never restarted behind our back, nothing left open.
import { readdirSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';
import { expect, onTestFinished, test } from 'vitest';
import { HttpClient } from '../../../client/http/http-client.ts';
import { ServerClient } from '../../../client/http/server-client.ts';
import { uploadPack } from '../../../client/upload/upload-pack.ts';
import { ROUTES } from '../../../shared/routes.ts';
import { randomBytes, seededRandom } from '../../support/random.ts';
import { tempDir } from '../../support/temp-dir.ts';

const MIB = 1_048_576;

interface Bench {
  readonly methods: string[];
  readonly path: string;
  readonly vault: string;
  /** What is done with each request before the stock server gets it. */
  meddle: (request: http.IncomingMessage, response: http.ServerResponse) => boolean;
  /** Called before a URL is kept. */
  keeping: () => void;
  send(pack: { url: string | null }, bytes?: number): Promise<string | null>;
}

async function bench(size = 2_000_000): Promise<Bench> {
  const root = tempDir();
  const vault = join(root, 'vault');
  const path = join(root, 'a.pack');
  writeFileSync(path, randomBytes(seededRandom(5), size));
  const tus = new Server({
    path: '/v1/uploads',
    datastore: new FileStore({ directory: vault }),
    relativeLocation: true,
  });
  const methods: string[] = [];
  const server = http.createServer((request, response) => {
    if (request.url !== ROUTES.interim) methods.push(request.method!);
    if (!result.meddle(request, response)) void tus.handle(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const client = new HttpClient({ stallMs: 8_000 });
  onTestFinished(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const result: Bench = {
    methods,
    path,
    vault,
    meddle: () => false,
    keeping: () => {},
    send: async (pack, bytes = size) => {
      let kept = pack.url;
      try {
        await uploadPack({
          pack: { id: 'f'.repeat(64), url: pack.url },
          file: { path, bytes },
          http: client,
          server: new ServerClient(client, url, 'secret'),
          onUrl: (given) => {
            result.keeping();
            kept = given;
          },
          onWritten: () => {},
          signal: new AbortController().signal,
        });
      } finally {
        pack.url = kept;
      }
      return kept;
    },
  };
  return result;
}

const openFiles = (path: string) =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  }).length;

test('sends a pack, even to a server that acknowledges nothing', async () => {
  const { send, methods } = await bench();
  await send({ url: null });
  expect(methods.filter((method) => method === 'POST')).toHaveLength(1);
}, 20_000);

test('fails where its URL cannot be kept, and sends nothing to it', async () => {
  const b = await bench();
  b.keeping = () => {
    throw new Error('database or disk is full');
  };
  await expect(b.send({ url: null })).rejects.toThrow('database or disk is full');
  expect(b.methods).toEqual(['POST']);
}, 20_000);

test('goes on where it was cut', async () => {
  const b = await bench();
  const pack = { url: null as string | null };
  let cut = true;
  b.meddle = (request) => {
    if (request.method === 'PATCH' && cut) {
      let seen = 0;
      request.on('data', (bytes: Buffer) => {
        seen += bytes.length;
        if (seen > 300_000) request.socket.resetAndDestroy();
      });
    }
    return false;
  };
  await expect(b.send(pack)).rejects.toMatchObject({ code: 'unreachable' });
  expect(pack.url).toMatch(/^\/v1\/uploads\//);
  cut = false;
  await b.send(pack);
  expect(b.methods.filter((method) => method === 'POST')).toHaveLength(1);
  expect(b.methods).toContain('HEAD');
}, 30_000);

/** The bytes of each PATCH; `meddle` may answer it in the server's place. */
function bodies(b: Bench, meddle: Bench['meddle'] = () => false): number[] {
  const sizes: number[] = [];
  b.meddle = (request, response) => {
    if (request.method === 'PATCH') sizes.push(Number(request.headers['content-length']));
    return meddle(request, response);
  };
  return sizes;
}

test('F3: a pack goes in requests of 1 to 8 MiB, which ask for no interim answers where none were seen', async () => {
  const b = await bench(24 * MIB);
  let asking = 0;
  const sizes = bodies(b, ({ headers }) => {
    if ('mailferry-interim' in headers || 'mailferry-acks' in headers) asking++;
    return false;
  });
  await b.send({ url: null });
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(24 * MIB);
  expect(sizes[0]).toBe(MIB);
  expect(Math.max(...sizes)).toBeGreaterThan(MIB);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(8 * MIB);
  expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThanOrEqual(MIB);
  expect(asking).toBe(0);
}, 30_000);

test.each([
  ['1 MiB, as nginx has it', MIB, '<html>413 Request Entity Too Large</html>'],
  ['2,000,000 bytes', 2_000_000, ''],
  ['100 kB', 100_000, '<html>'],
  ['20 kB', 20_000, '<html>'],
])(
  'F1: something on the way that takes no more than %s: one attempt is enough, and it is remembered',
  async (_, most, page) => {
    const size = most < MIB ? 1_200_000 : 6 * MIB;
    const b = await bench(size);
    let refused = 0;
    const sizes = bodies(b, (request, response) => {
      if (Number(request.headers['content-length'] ?? 0) <= most) return false;
      refused++;
      response.writeHead(413, { 'content-type': 'text/html', connection: 'close' }).end(page);
      return true;
    });
    await b.send({ url: null });
    expect(sizes.filter((bytes) => bytes <= most).reduce((sum, bytes) => sum + bytes, 0)).toBe(size);
    expect(b.methods.filter((method) => method === 'POST')).toHaveLength(1);
    expect(refused).toBeLessThanOrEqual(6);
    const before = refused;
    await b.send({ url: null });
    expect(refused).toBe(before);
  },
  30_000,
);

test('F1: a proxy that takes no request at all is a failure, not a loop', async () => {
  const b = await bench();
  const sizes = bodies(b, (request, response) => {
    if (request.method === 'PATCH') response.writeHead(413, { connection: 'close' }).end();
    return request.method === 'PATCH';
  });
  await expect(b.send({ url: null })).rejects.toMatchObject({ code: 'too_large' });
  expect(sizes.length).toBeLessThan(10);
}, 30_000);

test('F1: a 413 of the server itself is its word', async () => {
  const b = await bench();
  const sizes = bodies(b, (request, response) => {
    const problem = { type: 'about:blank', title: 'Too large.', status: 413, code: 'too_large' };
    if (request.method === 'PATCH')
      response
        .writeHead(413, { 'content-type': 'application/problem+json', connection: 'close' })
        .end(JSON.stringify(problem));
    return request.method === 'PATCH';
  });
  await expect(b.send({ url: null })).rejects.toMatchObject({ code: 'too_large' });
  expect(sizes).toHaveLength(1);
}, 30_000);

test('F3: requests that break get smaller, and none is asked for more than once what was written', async () => {
  const b = await bench(30 * MIB);
  const pack = { url: null as string | null };
  let broken = 0;
  const sizes = bodies(b, (request) => {
    if (request.method !== 'PATCH' || Number(request.headers['content-length']) <= MIB) return false;
    let seen = 0;
    request.on('data', (bytes: Buffer) => {
      seen += bytes.length;
      if (seen <= 700_000) return;
      broken++;
      request.socket.resetAndDestroy();
    });
    return false;
  });
  for (let attempt = 0; ; attempt++) {
    expect(attempt).toBeLessThan(30);
    if (
      await b.send(pack).then(
        () => true,
        () => false,
      )
    )
      break;
  }
  expect(broken).toBeGreaterThan(0);
  // A break, then four answers of 1 MiB before anything larger is tried.
  expect(sizes.filter((size) => size === MIB).length).toBeGreaterThanOrEqual(4 * (broken - 1));
}, 60_000);

test('F11: where every connection that is used again is reset, two attempts are enough', async () => {
  const b = await bench(12 * MIB);
  const used = new WeakSet<Socket>();
  const sizes = bodies(b, (request) => {
    const { socket } = request;
    if (!used.has(socket)) {
      used.add(socket);
      return false;
    }
    socket.resetAndDestroy();
    return true;
  });
  const pack = { url: null as string | null };
  await expect(b.send(pack)).rejects.toMatchObject({ code: 'unreachable' });
  await b.send(pack);
  expect(sizes.slice(1).reduce((sum, size) => sum + size, 0)).toBe(12 * MIB);
}, 30_000);

test.each([401, 403, 404, 410, 413, 423, 429, 500, 503, 507])(
  'a HEAD answered %d never starts a new upload',
  async (status) => {
    const b = await bench();
    b.meddle = (_request, response) => {
      response.writeHead(status).end();
      return true;
    };
    const code = status === 404 || status === 410 ? 'unreachable' : expect.any(String);
    await expect(b.send({ url: '/v1/uploads/abc' })).rejects.toMatchObject({ code });
    expect(b.methods).not.toContain('POST');
  },
);

test('a file that is not as it was sealed is not sent', async () => {
  const b = await bench();
  truncateSync(b.path, 1_999_999);
  await expect(b.send({ url: null })).rejects.toMatchObject({ code: 'pack_damaged' });
  expect(b.methods.filter((method) => method === 'PATCH')).toEqual([]);
});

test.skipIf(process.platform !== 'linux')(
  '25 failed attempts leave no file open',
  async () => {
    const b = await bench();
    const pack = { url: null as string | null };
    b.meddle = (request) => {
      if (request.method === 'PATCH') request.socket.resetAndDestroy();
      return request.method === 'PATCH';
    };
    for (let attempt = 0; attempt < 25; attempt++) await b.send(pack).catch(() => {});
    expect(b.methods.filter((method) => method === 'POST')).toHaveLength(1);
    expect(openFiles(b.path)).toBe(0);
  },
  30_000,
);
