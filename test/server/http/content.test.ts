// The content route over HTTP: whole, in parts, conditionally, for any name, and never a wrong byte with a good end.
import { randomBytes, randomUUID } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { attachment } from '../../../server/http/content-disposition.ts';
import { PACK_HEADER_BYTES } from '../../../shared/pack.ts';
import { buildPack } from '../support/build-pack.ts';
import { allBlocks, commitOf, type DeviceClient } from '../support/device-client.ts';
import { TestServer } from '../support/test-server.ts';

const SIZE = 700_000;
// Not to be compressed: so a byte of the pack is a byte of the content.
const bytes = randomBytes(SIZE);
let server: TestServer;
let device: DeviceClient;
let url: string;
let etag: string;

beforeAll(async () => {
  server = await TestServer.start();
  device = await server.enrol();
  const pack = buildPack([bytes.subarray(0, 300_000), bytes.subarray(300_000)]);
  await device.sendPack(pack);
  const runs = [{ at: 0, length: SIZE, pack: pack.id, offset: 0 }];
  const path = 'C:\\Users\\Ann\\Fällig "neu"; X: \u20ac.pst';
  const reply = await device.putVersion(randomUUID(), commitOf(bytes, null, runs, allBlocks(SIZE), { path }));
  url = `/v1/versions/${reply.json.id}/content`;
  etag = `"${reply.json.root}"`;
});
afterAll(() => server.dispose());

describe('content', () => {
  it('is whole, with every header a download needs', async () => {
    const reply = await device.get(url);
    expect(reply.status).toBe(200);
    expect(reply.bytes.equals(bytes)).toBe(true);
    expect(Object.fromEntries(reply.headers)).toMatchObject({
      etag,
      'accept-ranges': 'bytes',
      'content-length': String(SIZE),
      'content-type': 'application/octet-stream',
      'last-modified': 'Mon, 23 Nov 2026 08:00:00 GMT',
      'x-content-type-options': 'nosniff',
    });
    const disposition = reply.headers.get('content-disposition')!;
    expect(disposition).toMatch(
      /^attachment; filename="[A-Za-z0-9 ._()-]+"; filename\*=UTF-8''[A-Za-z0-9%._~!-]+$/,
    );
    expect(decodeURIComponent(disposition.split("''")[1]!)).toBe('Fällig "neu"; X: \u20ac.pst');
    // Servers before took names with line ends too.
    const old = attachment('C:\\Ann\\Fällig "neu"; \r\nX: \u20ac.pst');
    expect(old).toMatch(/^attachment; filename="[A-Za-z0-9 ._()-]+"; filename\*=UTF-8''[A-Za-z0-9%._~!-]+$/);
    expect(decodeURIComponent(old.split("''")[1]!)).toBe('Fällig "neu"; \r\nX: \u20ac.pst');
  });

  it('answers HEAD with the same headers and no body', async () => {
    const [get, head] = await Promise.all([device.get(url), device.send('HEAD', url)]);
    const named = (headers: Headers) =>
      [...headers].filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name)).sort();
    expect(named(head.headers)).toEqual(named(get.headers));
    expect(head.bytes).toHaveLength(0);
  });

  const PARTS: [string, number, number][] = [
    ['bytes=0-0', 0, 1],
    ['bytes=65535-65536', 65_535, 65_537],
    ['bytes=299999-300000', 299_999, 300_001],
    ['bytes=699990-', 699_990, SIZE],
    ['bytes=-5', SIZE - 5, SIZE],
    ['bytes=-9999999', 0, SIZE],
    ['bytes=100-99999999', 100, SIZE],
  ];
  for (const [range, from, to] of PARTS) {
    it(`gives ${range}`, async () => {
      const reply = await device.get(url, { range });
      expect(reply.status).toBe(206);
      expect(reply.headers.get('content-range')).toBe(`bytes ${from}-${to - 1}/${SIZE}`);
      expect(reply.bytes.equals(bytes.subarray(from, to))).toBe(true);
    });
  }

  it('ignores ranges it need not know, and refuses those past the end', async () => {
    for (const range of ['bytes=5-2', 'bytes=1-2,4-5', 'lines=1-2', 'bytes=-', 'bytes=a-b']) {
      const reply = await device.get(url, { range });
      expect([range, reply.status, reply.bytes.length]).toEqual([range, 200, SIZE]);
    }
    for (const range of [`bytes=${SIZE}-`, 'bytes=-0', 'bytes=99999999999999999999-']) {
      const reply = await device.get(url, { range });
      expect([range, reply.status, reply.headers.get('content-range')]).toEqual([
        range,
        416,
        `bytes */${SIZE}`,
      ]);
    }
  });

  it('honours If-Range and If-None-Match', async () => {
    const range = 'bytes=0-9';
    expect((await device.get(url, { range, 'if-range': etag })).status).toBe(206);
    expect((await device.get(url, { range, 'if-range': 'Mon, 23 Nov 2026 08:00:00 GMT' })).status).toBe(206);
    expect((await device.get(url, { range, 'if-range': `W/${etag}` })).status).toBe(200);
    expect((await device.get(url, { range, 'if-range': '"other"' })).status).toBe(200);
    expect((await device.get(url, { 'if-none-match': `"x", W/${etag}` })).status).toBe(304);
    expect((await device.get(url, { 'if-none-match': '"x"' })).status).toBe(200);
  });

  it('cuts the connection rather than send a wrong byte', async () => {
    const packs = join(server.directory, 'vaults', device.device, 'packs');
    const [folder] = await readdir(packs);
    const [name] = await readdir(join(packs, folder!));
    const file = await open(join(packs, folder!, name!), 'r+');
    const damaged = 650_000;
    await file.write(Buffer.from([bytes[damaged]! ^ 1]), 0, 1, PACK_HEADER_BYTES + damaged);
    await file.close();
    await server.restart();
    // What lies beside it is whole until the damage is met; the pack is taken out of use soon after that, whole.
    const before = await device.get(url, { range: 'bytes=0-99999' });
    expect(before.bytes.equals(bytes.subarray(0, 100_000))).toBe(true);
    const behind = await device.get(url, { range: 'bytes=690000-' });
    expect(behind.bytes.equals(bytes.subarray(690_000))).toBe(true);
    await expect(device.get(url)).rejects.toThrow();
    const atOnce = await device.get(url, { range: 'bytes=649000-649010' });
    expect([atOnce.status, atOnce.json.code, atOnce.headers.get('etag')]).toEqual([
      500,
      'pack_damaged',
      null,
    ]);
    await vi.waitFor(async () => {
      const { status, json } = await device.get(url, { range: 'bytes=690000-' });
      expect([status, json.code]).toEqual([500, 'pack_damaged']);
    });
  });
});
