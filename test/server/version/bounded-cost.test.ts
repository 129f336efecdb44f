// What a request costs is bounded by its bytes: long lists of packs, pages of crumbs, packs of crumbs, maps opened again and again.
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inTurns } from '../../../server/in-turns.ts';
import { sha256 } from '../../../server/sha256.ts';
import { ByteWriter } from '../../../shared/byte-codec.ts';
import { buildPack } from '../support/build-pack.ts';
import { allBlocks, commitOf, type DeviceClient } from '../support/device-client.ts';
import { TestServer } from '../support/test-server.ts';

let server: TestServer;
let device: DeviceClient;
beforeEach(async () => {
  server = await TestServer.start();
  device = await server.enrol();
});
afterEach(() => server.dispose());

/** A change list that names `count` packs, each by a run of one byte; not checked against anything. */
function listOf(count: number): string {
  const out = new ByteWriter().bytes(Uint8Array.of(0x4d, 0x46, 0x43, 0x4c, 1)).varint(count);
  out.bytes(randomBytes(32 * count)).varint(count);
  for (let at = 0; at < count; at++) out.varint(0).varint(1).varint(at).signed(0);
  out.varint(0);
  return Buffer.from(out.bytes(sha256(out.view())).view()).toString('base64');
}

test('H2: pack ids are counted before they are looked up', async () => {
  const commit = commitOf(Buffer.alloc(10), null, [], []);
  const many = await device.putVersion(randomUUID(), { ...commit, changes: listOf(200_000) });
  expect([many.status, many.json.code, many.json.title]).toEqual([
    400,
    'malformed',
    expect.stringContaining('131072'),
  ]);
});

test('H2: of the packs that are missing as many are named as an answer holds, and others are served meanwhile', async () => {
  const commit = commitOf(Buffer.alloc(10), null, [], []);
  const asked = device.putVersion(randomUUID(), { ...commit, changes: listOf(60_000) });
  const missing = await asked;
  expect([missing.status, missing.json.code]).toEqual([409, 'packs_missing']);
  expect(missing.json.detail.missing).toHaveLength(10_000);
  expect(missing.bytes.length).toBeLessThan(1_048_576);
  const few = await device.putVersion(randomUUID(), { ...commit, changes: listOf(3) });
  expect(few.json.detail.missing).toHaveLength(3);
});

test('H2: a page in more pieces than any device makes is refused, one of fine blocks is taken', async () => {
  const bytes = randomBytes(65_536);
  const pack = buildPack([bytes]);
  await device.sendPack(pack);
  const crumbs = Array.from({ length: 32_768 }, (_, n) => ({
    at: 2 * n,
    length: 2,
    pack: pack.id,
    offset: 2 * n,
  }));
  const refused = await device.putVersion(randomUUID(), commitOf(bytes, null, crumbs, [0]));
  expect([refused.status, refused.json.code, refused.json.detail.limit]).toEqual([400, 'malformed', 16_384]);
  const fine = Array.from({ length: 64 }, (_, n) => ({
    at: 1_024 * n,
    length: 1_024,
    pack: pack.id,
    offset: 1_024 * n,
  }));
  expect((await device.putVersion(randomUUID(), commitOf(bytes, null, fine, [0]))).status).toBe(201);
});

test('H2: a pack of crumbs is refused at its upload, one of a few short frames is taken', async () => {
  const crumbs = buildPack(Array.from({ length: 2_000 }, () => randomBytes(1)));
  const refused = await device.sendPack(crumbs);
  expect([refused.status, refused.json.code]).toEqual([422, 'pack_refused']);
  expect(refused.json.title).toContain('4096');
  const honest = buildPack([...Array.from({ length: 20 }, () => randomBytes(131_072)), randomBytes(1)]);
  expect((await device.sendPack(honest)).status).toBe(204);
  expect((await device.sendPack(buildPack(Array.from({ length: 200 }, () => randomBytes(1))))).status).toBe(
    204,
  );
});

test('H2: /readyz tells how long the event loop was held up', async () => {
  const answer = await device.get('/readyz');
  expect(answer.json.eventLoop).toEqual({ p99: expect.any(Number), max: expect.any(Number) });
  // The measuring begins with the first of its own intervals of 20 ms, and this server with this test.
  await pause(100);
  const until = Date.now() + 700;
  while (Date.now() < until);
  const held = async () => (await device.get('/readyz')).json.eventLoop.max;
  await expect.poll(held, { timeout: 5_000 }).toBeGreaterThan(500);
});

test('H2: of blocks that differ each frame is compared once, however many runs lie in it', async () => {
  const raw = randomBytes(16 * 1_048_576);
  const pack = buildPack(
    Array.from({ length: 16 }, (_, n) => raw.subarray(n * 1_048_576, (n + 1) * 1_048_576)),
  );
  await device.sendPack(pack);
  // Four bytes of the request for each: compared anew for each, the frames took minutes.
  const COUNT = 100_000;
  const runs = Array.from({ length: COUNT }, (_, n) => ({
    at: 64 * n,
    length: 64,
    pack: pack.id,
    offset: 64 * ((n * 7_919) % 262_144),
  }));
  const bytes = Buffer.alloc(64 * COUNT);
  const commit = commitOf(bytes, null, runs, allBlocks(bytes.length));
  const refused = await device.putVersion(randomUUID(), commit);
  expect([refused.status, refused.json.code]).toEqual([409, 'blocks_differ']);
});

test('H2: everybody else is answered while long work goes on', async () => {
  let others = 0;
  const timer = setInterval(() => others++, 1);
  const sum = await inTurns(
    (function* () {
      let sum = 0;
      for (let step = 0; step < 100; step++) {
        for (const end = performance.now() + 5; performance.now() < end; ) sum++;
        yield;
      }
      return sum;
    })(),
  );
  clearInterval(timer);
  expect(sum).toBeGreaterThan(0);
  expect(others).toBeGreaterThan(10);
});
