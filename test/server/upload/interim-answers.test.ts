// Whoever waits for the check of a pack hears that it is not forgotten, however long the row is: a real device, a slow row.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HttpClient } from '../../../client/http/http-client.ts';
import { ServerClient } from '../../../client/http/server-client.ts';
import { uploadPack } from '../../../client/upload/upload-pack.ts';
import { ACK_MS, INTERIM_MOST } from '../../../shared/routes.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { buildPack } from '../support/build-pack.ts';
import { TestServer } from '../support/test-server.ts';

/** How long a check takes here, as where many devices wait before it; and how long the device bears silence. */
const CHECK_MS = 2 * ACK_MS + 2_000;
const PATIENCE_MS = ACK_MS + 2_000;

const checkWorker = new URL(
  `data:text/javascript,${encodeURIComponent(
    `import { parentPort } from 'node:worker_threads';
     parentPort.on('message', () => setTimeout(() => parentPort.postMessage({ raw: 70_000 }), ${CHECK_MS}));`,
  )}`,
);

async function slowServer(): Promise<{ slow: TestServer; http: HttpClient }> {
  const slow = await TestServer.start({ checkWorker });
  const http = new HttpClient({ stallMs: PATIENCE_MS });
  onTestFinished(async () => {
    http.close();
    await slow.dispose();
  });
  return { slow, http };
}

it('one attempt is enough for a pack whose check takes longer than the device bears silence', {
  timeout: 40_000,
}, async () => {
  const { slow, http } = await slowServer();
  const device = await slow.enrol();
  const pack = buildPack([randomBytes(70_000)]);
  const path = join(tempDir(), 'a.pack');
  await writeFile(path, pack.bytes);
  const before = performance.now();
  await uploadPack({
    pack: { id: pack.id, url: null },
    file: { path, bytes: pack.bytes.length },
    http,
    server: new ServerClient(http, slow.url, device.credential),
    onUrl: () => {},
    onWritten: () => {},
    signal: new AbortController().signal,
  });
  expect(performance.now() - before).toBeGreaterThan(PATIENCE_MS);
  expect((await device.get(`/v1/packs/${pack.id}`)).status).toBe(200);
});

it('F3: without interim answers such a pack is resumed by HEAD, and none of it is sent again', {
  timeout: 60_000,
}, async () => {
  const { slow, http } = await slowServer();
  const device = await slow.enrol();
  const pack = buildPack([randomBytes(70_000)]);
  const path = join(tempDir(), 'a.pack');
  await writeFile(path, pack.bytes);
  const sent: string[] = [];
  const send = http.send.bind(http);
  http.send = (request) => {
    sent.push(request.method);
    return send(request);
  };
  http.interim.carries = async () => false;
  let url: string | null = null;
  const attempt = () =>
    uploadPack({
      pack: { id: pack.id, url },
      file: { path, bytes: pack.bytes.length },
      http,
      server: new ServerClient(http, slow.url, device.credential),
      onUrl: (kept) => {
        url = kept;
      },
      onWritten: () => {},
      signal: new AbortController().signal,
    });
  await expect(attempt()).rejects.toMatchObject({ code: 'stalled' });
  await attempt();
  expect(sent.filter((method) => method !== 'HEAD')).toEqual(['POST', 'PATCH']);
  expect((await device.get(`/v1/packs/${pack.id}`)).status).toBe(200);
});

describe('F3: a request that asks with the new header', () => {
  /** Sends `pieces` of one upload with pauses between them; the offsets told on the way. */
  async function told(pieces: number[], pauseMs: number, kind: 'file' | 'pack' = 'file'): Promise<number[]> {
    const { slow } = await slowServer();
    const device = await slow.enrol();
    const pack = buildPack([randomBytes(70_000)]);
    const bytes =
      kind === 'pack' ? Buffer.from(pack.bytes) : randomBytes(pieces.reduce((sum, n) => sum + n, 0));
    const metadata: Record<string, string> = kind === 'pack' ? { kind, id: pack.id } : { kind, path: '/a' };
    const created = await device.createUpload(metadata, bytes.length);
    const offsets: number[] = [];
    const open = request(slow.url + created.headers.get('location'), {
      method: 'PATCH',
      headers: {
        authorization: `Bearer ${device.credential}`,
        'tus-resumable': '1.0.0',
        'upload-offset': '0',
        'content-type': 'application/offset+octet-stream',
        'content-length': String(bytes.length),
        'mailferry-interim': '1',
      },
    });
    open.on('information', ({ headers }) => offsets.push(Number(headers['upload-offset'])));
    const answered = once(open, 'response');
    let at = 0;
    for (const piece of kind === 'pack' ? [bytes.length] : pieces) {
      open.write(bytes.subarray(at, at + piece));
      at += piece;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    open.end();
    const [answer] = await answered;
    expect(answer.statusCode).toBe(204);
    answer.resume();
    return offsets;
  }

  it.each([
    [6, 1_000_000],
    [40, 200_000],
    [100, 20_000],
    [1, 10_000],
  ])(
    'hears at most four times while %d pieces of %d bytes come, the last time of all of them',
    async (count, piece) => {
      const offsets = await told(Array(count).fill(piece), 20);
      expect(offsets.length).toBeLessThanOrEqual(INTERIM_MOST);
      expect(offsets.length).toBeGreaterThanOrEqual(count * piece > 3_000_000 ? 3 : 1);
      expect(offsets.at(-1)).toBe(count * piece);
    },
    20_000,
  );

  it('hears at most four times, however long the check takes', async () => {
    const offsets = await told([], 0, 'pack');
    expect(offsets.length).toBeGreaterThanOrEqual(2);
    expect(offsets.length).toBeLessThanOrEqual(INTERIM_MOST);
  }, 30_000);
});

it.each(['HTTP/1.0', 'HTTP/1.1\r\nconnection: close'])(
  'F2: a client of %s hears nothing before its answer',
  async (version) => {
    const { slow } = await slowServer();
    const device = await slow.enrol();
    const socket = connect(Number(new URL(slow.url).port), '127.0.0.1');
    socket.write(
      `POST /v1/interim ${version}\r\nhost: a\r\ncontent-length: 2\r\nauthorization: Bearer ${device.credential}\r\n\r\nab`,
    );
    const answer = Buffer.concat(await socket.toArray()).toString();
    expect(answer).toMatch(/^HTTP\/1\.1 204 /);
    expect(answer).not.toContain('103');
  },
);

it('F3: whether interim answers arrive is shown to devices only, and for no more than a few bytes', async () => {
  const { slow } = await slowServer();
  const device = await slow.enrol();
  const bytes = new Uint8Array(17);
  const stranger = await fetch(`${slow.url}/v1/interim`, { method: 'POST', body: bytes.subarray(0, 2) });
  expect(stranger.status).toBe(401);
  const refused = await device.send('POST', '/v1/interim', {}, bytes);
  expect([refused.status, refused.json.code]).toEqual([413, 'too_large']);
});
