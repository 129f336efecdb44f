// tus-js-client as it comes from the registry: a whole file, cut and resumed, empty, sent twice, becomes versions with receipts.
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { Upload, type UploadOptions } from 'tus-js-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sha256 } from '../../server/sha256.ts';
import { toHex } from '../../shared/byte-codec.ts';
import type { DeviceClient } from './support/device-client.ts';
import { TestServer } from './support/test-server.ts';

let server: TestServer;
let device: DeviceClient;

beforeAll(async () => {
  server = await TestServer.start();
  device = await server.enrol();
});
afterAll(() => server.dispose());

function send(
  bytes: Buffer,
  metadata: Record<string, string>,
  more: Partial<UploadOptions> = {},
): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const upload = new Upload(Readable.from([bytes], { objectMode: false }), {
      endpoint: `${server.url}/v1/uploads`,
      headers: { Authorization: `Bearer ${device.credential}` },
      metadata,
      uploadSize: bytes.length,
      chunkSize: 1_000_000,
      retryDelays: null,
      onSuccess: () => resolve(upload),
      onError: reject,
      ...more,
    });
    upload.start();
  });
}

async function newest(path: string) {
  return (await device.get(`/v1/versions?path=${encodeURIComponent(path)}`)).json.versions;
}

it('sends a file, and a version with a receipt gives it back', async () => {
  const bytes = randomBytes(3_456_789);
  const path = 'C:\\Users\\Ann\\Ärger & Co €.pst';
  await send(bytes, {
    kind: 'file',
    path,
    mtime: '2026-01-02T03:04:05.000Z',
    filename: 'x',
    filetype: 'y/z',
  });
  const [version] = await newest(path);
  expect(version).toMatchObject({
    kind: 'pst',
    size: bytes.length,
    sha256: toHex(sha256(bytes)),
    mtime: '2026-01-02T03:04:05.000Z',
    snapshot: 'upload',
    health: 'not-a-store',
    complete: true,
  });
  expect(JSON.parse(version.receipt.statement)).toMatchObject({ version: version.id, root: version.root });
  const content = await device.get(`/v1/versions/${version.id}/content`, { range: 'bytes=1000000-' });
  expect(content.bytes.equals(bytes.subarray(1_000_000))).toBe(true);
});

it('goes on after the server was stopped in the middle', async () => {
  const bytes = randomBytes(5_000_000);
  let url = '';
  const stopped = new Promise<void>((resolve) => {
    const upload: Upload = new Upload(Readable.from([bytes], { objectMode: false }), {
      endpoint: `${server.url}/v1/uploads`,
      headers: { Authorization: `Bearer ${device.credential}` },
      metadata: { kind: 'file', path: '/resumed' },
      uploadSize: bytes.length,
      chunkSize: 1_000_000,
      retryDelays: null,
      onChunkComplete: (_size, accepted) => {
        if (accepted < 2_000_000) return;
        url = upload.url!;
        void upload.abort().then(resolve);
      },
    });
    upload.start();
  });
  await stopped;
  await server.restart();
  const location = new URL(url).pathname;
  const offset = Number((await device.head(location)).headers.get('upload-offset'));
  expect(offset).toBeGreaterThanOrEqual(2_000_000);
  expect((await device.patch(location, offset, bytes.subarray(offset))).status).toBe(204);
  const [version] = await newest('/resumed');
  expect((await device.get(`/v1/versions/${version.id}/content`)).bytes.equals(bytes)).toBe(true);
});

it('sends an empty file', async () => {
  await send(Buffer.alloc(0), { kind: 'file', path: '/empty' });
  const [version] = await newest('/empty');
  expect(version).toMatchObject({ size: 0, sha256: toHex(sha256(new Uint8Array(0))) });
  const content = await device.get(`/v1/versions/${version.id}/content`);
  expect([content.status, content.bytes.length]).toEqual([200, 0]);
  expect((await device.get(`/v1/versions/${version.id}/content`, { range: 'bytes=0-' })).status).toBe(416);
});

it('sends the same path again: a new version, whether the bytes are new or not', async () => {
  const bytes = randomBytes(100_000);
  for (const body of [bytes, bytes, randomBytes(50_000)]) await send(body, { kind: 'file', path: '/again' });
  const versions = await newest('/again');
  expect(versions.map((version: { size: number }) => version.size)).toEqual([50_000, 100_000, 100_000]);
});

it('may send bytes along with the creation', async () => {
  const bytes = randomBytes(600_000);
  await send(bytes, { kind: 'file', path: '/at-once' }, { uploadDataDuringCreation: true });
  const [version] = await newest('/at-once');
  expect(version.sha256).toBe(toHex(sha256(bytes)));
});
