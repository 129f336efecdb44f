// A commit over HTTP: what gets a receipt, what does not and why, and that the bytes come back.
import { createPublicKey, randomBytes, randomUUID, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../../server/sha256.ts';
import { toHex } from '../../../shared/byte-codec.ts';
import { encodeChangeList } from '../../../shared/change-list.ts';
import { CHAIN_START, chainText, readReceipt } from '../../../shared/receipt.ts';
import { buildPack } from '../support/build-pack.ts';
import { allBlocks, commitOf, type DeviceClient } from '../support/device-client.ts';
import { TestServer } from '../support/test-server.ts';

const MIB = 1_048_576;
let server: TestServer;
let device: DeviceClient;

beforeAll(async () => {
  server = await TestServer.start();
  device = await server.enrol();
});
afterAll(() => server.dispose());

/** Bytes that neither repeat nor compress to nothing. */
function textBytes(length: number): Buffer {
  return Buffer.from(
    randomBytes(Math.ceil(length / 2))
      .toString('hex')
      .slice(0, length),
  );
}

/** Frames of 128 KiB, as a first backup has them. */
function frames(bytes: Uint8Array, size = 131_072): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  );
}

async function firstVersion(bytes: Uint8Array): Promise<{ id: string; pack: string }> {
  const pack = buildPack(frames(bytes));
  expect((await device.sendPack(pack)).status).toBe(204);
  const id = randomUUID();
  const runs = [{ at: 0, length: bytes.length, pack: pack.id, offset: 0 }];
  const reply = await device.putVersion(id, commitOf(bytes, null, runs, allBlocks(bytes.length)));
  expect(reply.status).toBe(201);
  return { id, pack: pack.id };
}

describe('commit', () => {
  it('gives a signed receipt for a first version, and its bytes back', async () => {
    const bytes = textBytes(3 * MIB + 12_345);
    const { id } = await firstVersion(bytes);
    const summary = (await device.get(`/v1/versions/${id}`)).json;
    const statement = readReceipt(summary.receipt, (text, signature) =>
      verify(null, Buffer.from(text), createPublicKey(device.receiptKey), Buffer.from(signature, 'hex')),
    );
    expect(statement).toMatchObject({
      device: device.device,
      version: id,
      size: bytes.length,
      complete: true,
    });
    expect(statement.sha256).toBe(toHex(sha256(bytes)));
    const content = await device.get(`/v1/versions/${id}/content`);
    expect(content.status).toBe(200);
    expect(content.bytes.equals(bytes)).toBe(true);
    const fingerprint = await device.get(`/v1/versions/${id}/fingerprint`);
    expect(fingerprint.headers.get('mailferry-root')).toBe(summary.root);
    expect(fingerprint.bytes.length).toBe(32 * 49);
  });

  it('lays scattered changes over a base, growing and shrinking', async () => {
    let bytes = textBytes(2 * MIB + 1_000);
    let { id } = await firstVersion(bytes);
    for (const size of [2 * MIB + 1_000, 3 * MIB + 70_000, MIB + 30_001, MIB, 0, 5]) {
      const next = Buffer.alloc(size);
      bytes.copy(next);
      const fresh = textBytes(Math.max(20_000, size));
      const runs: { at: number; length: number; pack: string; offset: number }[] = [];
      const places = [10, 65_530, 700_000].filter((at) => at + 1_500 <= Math.min(size, bytes.length));
      const changes = places.map((at) => ({ at, length: 1_500 }));
      if (size > bytes.length) changes.push({ at: bytes.length, length: size - bytes.length });
      let offset = 0;
      for (const { at, length } of changes) {
        fresh.copy(next, at, offset, offset + length);
        runs.push({ at, length, pack: '', offset });
        offset += length;
      }
      const pack = buildPack(offset === 0 ? [] : frames(fresh.subarray(0, offset), 4 * MIB));
      if (offset > 0) expect((await device.sendPack(pack)).status).toBe(204);
      const touched = new Set<number>();
      for (const { at, length } of changes) {
        for (let block = at >> 16; block <= (at + length - 1) >> 16; block++) touched.add(block);
      }
      if (size < bytes.length && size % 65_536 !== 0) touched.add(size >> 16);
      const blocks = [...touched].sort((a, b) => a - b);
      const commit = commitOf(
        next,
        id,
        runs.map((run) => ({ ...run, pack: pack.id })),
        blocks,
      );
      const nextId = randomUUID();
      const reply = await device.putVersion(nextId, commit);
      expect(reply.json).toMatchObject({ id: nextId, size });
      const content = await device.get(`/v1/versions/${nextId}/content`);
      expect(content.bytes.equals(next)).toBe(true);
      bytes = next;
      id = nextId;
    }
  });

  it.each([65_536, 15 * 65_536, 17 * 65_536, 2 * MIB, 2 * MIB + 65_536])(
    'cuts a version at %d bytes, between two blocks, where nothing else changed',
    async (size) => {
      const bytes = textBytes(3 * MIB + 5);
      const { id } = await firstVersion(bytes);
      const shorter = randomUUID();
      const reply = await device.putVersion(shorter, commitOf(bytes.subarray(0, size), id, [], []));
      expect(reply.json).toMatchObject({ id: shorter, size });
      const content = await device.get(`/v1/versions/${shorter}/content`);
      expect(content.bytes.equals(bytes.subarray(0, size))).toBe(true);
    },
  );

  const HUGE = 2 ** 49;
  it.each([
    ['one run of 2^49 bytes', HUGE, (pack: string) => [{ at: 0, length: HUGE, pack, offset: 0 }], [0], false],
    [
      'a run that begins at 2^39',
      2 ** 40,
      (pack: string) => [{ at: 2 ** 39, length: 5, pack, offset: 0 }],
      [2 ** 23],
      false,
    ],
    ['1 TiB without a run', 2 ** 40, () => [], [], false],
    ['2^53 - 1 bytes without a run', Number.MAX_SAFE_INTEGER, () => [], [], false],
    ['1 TiB without a run, over a base', 2 ** 40, () => [], [], true],
    ['a page more than the base', 3 * MIB, () => [], [], true],
    ['a byte more than the base', 2 * MIB + 6, () => [], [], true],
  ])('H1: a commit of %s is refused at the cost of its bytes', async (_, size, runsOf, blocks, isOver) => {
    const bytes = textBytes(2 * MIB + 5);
    const { id, pack } = await firstVersion(bytes);
    // Hashes of what the device says is there: with one for each block named, the request is as small as it can be.
    const commit = commitOf(bytes, isOver ? id : null, runsOf(pack), []);
    const list = encodeChangeList(
      { runs: runsOf(pack), coarse: blocks.map((index) => ({ index, hash: sha256(bytes) })) },
      sha256,
    );
    const before = process.memoryUsage().rss;
    const reply = await device.putVersion(randomUUID(), {
      ...commit,
      size,
      changes: Buffer.from(list).toString('base64'),
    });
    expect([400, 409]).toContain(reply.status);
    expect(['malformed', 'root_differs']).toContain(reply.json.code);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * MIB);
    expect((await device.get(`/v1/versions/${id}`)).status).toBe(200);
  });

  it('answers a replay with the same receipt, and another commit of the same id with a conflict', async () => {
    const bytes = textBytes(100_000);
    const pack = buildPack(frames(bytes));
    await device.sendPack(pack);
    const commit = commitOf(bytes, null, [{ at: 0, length: 100_000, pack: pack.id, offset: 0 }], [0, 1]);
    const id = randomUUID();
    const replies = await Promise.all(Array.from({ length: 5 }, () => device.putVersion(id, commit)));
    expect(replies.map((reply) => reply.status).sort()).toEqual([200, 200, 200, 200, 201]);
    expect(new Set(replies.map((reply) => JSON.stringify(reply.json.receipt))).size).toBe(1);
    const other = await device.putVersion(id, { ...commit, path: 'D:\\other.pst' });
    expect(other.status).toBe(409);
    expect(other.json.code).toBe('version_conflict');
  });

  it('chains receipts', async () => {
    const fresh = await server.enrol('chained');
    let previous = CHAIN_START;
    for (let sequence = 1; sequence <= 3; sequence++) {
      const reply = await fresh.putVersion(randomUUID(), commitOf(new Uint8Array(0), null, [], []));
      const statement = JSON.parse(reply.json.receipt.statement);
      expect(statement).toMatchObject({ sequence, previous });
      previous = toHex(sha256(Buffer.from(chainText(reply.json.receipt))));
    }
  });

  it('names missing packs, an unknown base, and hashes of the wrong blocks', async () => {
    const bytes = textBytes(100_000);
    const runs = [{ at: 0, length: 100_000, pack: 'ab'.repeat(32), offset: 0 }];
    const missing = await device.putVersion(randomUUID(), commitOf(bytes, null, runs, [0, 1]));
    expect(missing.json).toMatchObject({
      status: 409,
      code: 'packs_missing',
      detail: { missing: ['ab'.repeat(32)] },
    });
    const unknown = await device.putVersion(randomUUID(), commitOf(bytes, randomUUID(), [], []));
    expect(unknown.json.code).toBe('base_unknown');
    const pack = buildPack(frames(bytes));
    await device.sendPack(pack);
    const here = [{ ...runs[0]!, pack: pack.id }];
    for (const blocks of [[0], [0, 1, 2], [1]]) {
      const list = { ...commitOf(Buffer.concat([bytes, bytes]), null, here, blocks), size: 100_000 };
      const reply = await device.putVersion(randomUUID(), list);
      expect(reply.json.code).toBe('malformed');
    }
    const open = await device.putVersion(randomUUID(), commitOf(bytes, null, runs, [0, 1], { sha256: null }));
    expect(open.json.code).toBe('malformed');
  });

  it('names the blocks that differ, whether a frame or a read would have proven them', async () => {
    const bytes = textBytes(5 * 65_536);
    const { id, pack } = await firstVersion(bytes);
    const lie = Buffer.from(bytes);
    lie[70_000] = 1;
    lie[4 * 65_536] = 1;
    const whole = [{ at: 0, length: bytes.length, pack, offset: 0 }];
    const framed = await device.putVersion(randomUUID(), commitOf(lie, null, whole, allBlocks(bytes.length)));
    expect(framed.json).toMatchObject({ code: 'blocks_differ', detail: { blocks: [1, 4] } });
    const part = [{ at: 100, length: 10, pack, offset: 50 }];
    const read = await device.putVersion(randomUUID(), commitOf(bytes, id, part, [0]));
    expect(read.json).toMatchObject({ code: 'blocks_differ', detail: { blocks: [0] } });
    const root = await device.putVersion(
      randomUUID(),
      commitOf(bytes, null, whole, allBlocks(bytes.length), { root: 'cd'.repeat(32) }),
    );
    expect(root.json.code).toBe('root_differs');
    const past = [{ at: 0, length: 100, pack, offset: bytes.length - 50 }];
    expect((await device.putVersion(randomUUID(), commitOf(bytes, id, past, [0]))).json.code).toBe(
      'malformed',
    );
  });

  it('keeps a checkpoint as a base and out of what can be restored', async () => {
    const bytes = textBytes(200_000);
    const pack = buildPack(frames(bytes));
    await device.sendPack(pack);
    const half = bytes.subarray(0, 131_072);
    const path = 'C:\\checkpoint.pst';
    const id = randomUUID();
    const runs = [{ at: 0, length: half.length, pack: pack.id, offset: 0 }];
    const more = { complete: false, sha256: null, path };
    const checkpoint = await device.putVersion(id, commitOf(half, null, runs, [0, 1], more));
    expect(JSON.parse(checkpoint.json.receipt.statement)).toMatchObject({ complete: false, sha256: '' });
    expect((await device.get(`/v1/versions/${id}/content`)).status).toBe(404);
    expect((await device.get(`/v1/versions?path=${encodeURIComponent(path)}`)).json.versions).toEqual([]);
    const listed = await device.get(`/v1/versions?partial=true&path=${encodeURIComponent(path)}`);
    expect(listed.json.versions).toHaveLength(1);
    const rest = [{ at: 131_072, length: 200_000 - 131_072, pack: pack.id, offset: 131_072 }];
    const done = await device.putVersion(randomUUID(), commitOf(bytes, id, rest, [2, 3], { path }));
    expect(done.status).toBe(201);
    expect((await device.get(`/v1/versions/${done.json.id}/content`)).bytes.equals(bytes)).toBe(true);
  });
});
