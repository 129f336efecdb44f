// Uploads by tus against the stock server: created once, resumed by their URL, never restarted behind our back, nothing left open.
import { readdirSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';
import { expect, onTestFinished, test } from 'vitest';
import { HttpClient } from '../../../client/http/http-client.ts';
import { ServerClient } from '../../../client/http/server-client.ts';
import { uploadPack } from '../../../client/upload/upload-pack.ts';
import { randomBytes, seededRandom } from '../../support/random.ts';
import { tempDir } from '../../support/temp-dir.ts';

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

async function bench(): Promise<Bench> {
  const root = tempDir();
  const vault = join(root, 'vault');
  const path = join(root, 'a.pack');
  writeFileSync(path, randomBytes(seededRandom(5), 2_000_000));
  const tus = new Server({
    path: '/v1/uploads',
    datastore: new FileStore({ directory: vault }),
    relativeLocation: true,
  });
  const methods: string[] = [];
  const server = http.createServer((request, response) => {
    methods.push(request.method!);
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
    send: async (pack, bytes = 2_000_000) => {
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
