// What is too long for a header or a URL: refused as a problem that names the limit, or asked for in a body.
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MAX_HEADER_BYTES, MAX_METADATA_BYTES } from '../../../server/limits.ts';
import { MAX_PATH_BYTES } from '../../../shared/stored-path.ts';
import type { DeviceClient } from '../support/device-client.ts';
import { TestServer } from '../support/test-server.ts';

let server: TestServer;
let device: DeviceClient;
beforeAll(async () => {
  server = await TestServer.start();
  device = await server.enrol();
});
afterAll(() => server.dispose());

/** As long as a path may be, of letters of three bytes each. */
const CJK = `/${'信'.repeat((MAX_PATH_BYTES - 1) / 3)}`;

/** Says `text` on a connection of its own; all that came back. */
function talk(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    let heard = '';
    socket.setEncoding('utf8').on('data', (data) => {
      heard += data;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(heard));
    socket.write(text);
  });
}

test('F10: the longest paths there are go up, with the name of the file beside them as stock clients send it', async () => {
  for (const path of [CJK, `/${'x'.repeat(MAX_PATH_BYTES - 1)}`]) {
    const metadata = { kind: 'file', path, filename: path.slice(1), filetype: 'application/vnd.ms-outlook' };
    expect((await device.upload(metadata, new Uint8Array(10))).status).toBe(204);
    const found = await device.send(
      'POST',
      '/v1/versions/search',
      { 'content-type': 'application/json' },
      JSON.stringify({ path }),
    );
    expect([found.status, found.json.versions.length, found.json.versions[0].path]).toEqual([200, 1, path]);
  }
});

test('F10: metadata that are too long are a problem that names the limit', async () => {
  for (const length of [10_000, 15_000]) {
    const reply = await device.createUpload(
      { kind: 'file', path: '/a', note: 'x'.repeat((length * 3) / 4) },
      10,
    );
    if (length < MAX_METADATA_BYTES) expect(reply.status).toBe(201);
    else
      expect([reply.status, reply.json.code, reply.json.status, reply.json.detail.limit]).toEqual([
        431,
        'too_large',
        431,
        MAX_METADATA_BYTES,
      ]);
  }
});

test.each([
  [
    'metadata',
    (long: string) => `POST /v1/uploads HTTP/1.1\r\nhost: x\r\nupload-metadata: a ${long}\r\n\r\n`,
  ],
  ['a URL', (long: string) => `GET /v1/versions?path=${long} HTTP/1.1\r\nhost: x\r\n\r\n`],
  [
    'many headers',
    (long: string) => `GET /healthz HTTP/1.1\r\nhost: x\r\n${long.replaceAll(/.{50}/g, 'a: $&\r\n')}\r\n`,
  ],
])('F10: %s beyond what the parser takes are a problem too', async (_what, request) => {
  for (const length of [20_000, 200_000]) {
    const answer = await talk(request('x'.repeat(length)));
    const [head, body] = answer.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 431 /);
    expect(head).toMatch(/content-type: application\/problem\+json/);
    expect(JSON.parse(body!)).toMatchObject({
      status: 431,
      code: 'too_large',
      detail: { limit: MAX_HEADER_BYTES },
    });
  }
});

test('F10: a question in a body is the same question as one in a URL', async () => {
  for (const path of ['/p', '/q']) await device.upload({ kind: 'file', path }, new Uint8Array(10));
  const search = (body: unknown, who = device) =>
    who.send('POST', '/v1/versions/search', { 'content-type': 'application/json' }, JSON.stringify(body));
  for (const words of [
    {},
    { path: '/p' },
    { kind: 'file', limit: '1' },
    { newest: 'each' },
    { path: '/none' },
  ]) {
    const asked = await device.get(`/v1/versions?${new URLSearchParams(words as Record<string, string>)}`);
    const found = await search(words);
    expect([found.status, found.json]).toEqual([200, asked.json]);
    expect(found.headers.get('mailferry-receipts')).toBe(asked.headers.get('mailferry-receipts'));
  }
  expect((await search({ path: '/p' }, await server.enrol('other'))).json.versions).toEqual([]);
  expect((await search({ nothing: 1 })).json.code).toBe('malformed');
  const long = await search({ path: 'x'.repeat(200_000) });
  expect([long.status, long.json.code]).toEqual([413, 'too_large']);
  const stranger = await fetch(`${server.url}/v1/versions/search`, { method: 'POST', body: '{}' });
  expect(stranger.status).toBe(401);
});
