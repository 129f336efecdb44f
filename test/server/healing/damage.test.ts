// Packs rot or vanish on the server: it is noticed, named and contained, nothing wrong is ever given out, and it heals.
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { verifyVaults } from '../../../server/healing/verify-vaults.ts';
import { PackReader } from '../../../server/pack/pack-reader.ts';
import type { BuiltPack } from '../support/build-pack.ts';
import { buildPack } from '../support/build-pack.ts';
import { allBlocks, commitOf, type DeviceClient } from '../support/device-client.ts';
import { TestServer } from '../support/test-server.ts';

const COARSE = 65_536;
let server: TestServer;
let device: DeviceClient;

beforeEach(async () => {
  server = await TestServer.start();
  device = await server.enrol();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await server.dispose();
});

const home = (...names: string[]): string => join(server.directory, 'vaults', device.device, ...names);
const packFile = (id: string): string => home('packs', id.slice(0, 2), id);

interface Backed {
  readonly id: string;
  readonly bytes: Buffer;
  readonly pack: BuiltPack;
}

async function back(bytes: Buffer, base: Backed | null, blocks = allBlocks(bytes.length)): Promise<Backed> {
  const parts = blocks.map((index) => bytes.subarray(index * COARSE, (index + 1) * COARSE));
  const pack = buildPack(parts);
  expect((await device.sendPack(pack)).status).toBe(204);
  const runs = blocks.map((index, at) => ({
    at: index * COARSE,
    length: parts[at]!.length,
    pack: pack.id,
    offset: parts.slice(0, at).reduce((sum, part) => sum + part.length, 0),
  }));
  const id = randomUUID();
  const reply = await device.putVersion(id, commitOf(bytes, base?.id ?? null, runs, blocks));
  expect([reply.status, reply.json.code]).toEqual([201, undefined]);
  return { id, bytes, pack };
}

function changed(bytes: Buffer, ...blocks: number[]): Buffer {
  const copy = Buffer.from(bytes);
  for (const block of blocks) randomBytes(COARSE).copy(copy, block * COARSE);
  return copy;
}

async function flip(id: string, at = 1_000): Promise<void> {
  const bytes = await readFile(packFile(id));
  bytes[at]! ^= 0x40;
  await writeFile(packFile(id), bytes);
}

const content = async (id: string, range?: string) =>
  device.get(`/v1/versions/${id}/content`, range ? { range } : {}).catch(() => 'cut' as const);
const damagedVersions = async (): Promise<string[]> =>
  (await device.get('/v1/versions?damaged=true')).json.versions.map((version: { id: string }) => version.id);
const verify = (repair: boolean) =>
  verifyVaults({ directory: server.directory, repair, progress: () => undefined });

describe('a pack that rotted', () => {
  it('is found by a read, which ends without a wrong byte, and contained; then the answer is typed', async () => {
    const { id, pack, bytes } = await back(randomBytes(5 * COARSE), null);
    await server.restart();
    await flip(pack.id, 3 * COARSE + 500);
    const reply = await content(id);
    if (reply !== 'cut') expect(reply.status).toBe(500);
    await expect.poll(damagedVersions).toEqual([id]);
    expect(existsSync(packFile(pack.id))).toBe(false);
    expect(existsSync(home('damaged', pack.id))).toBe(true);
    const typed = await device.get(`/v1/versions/${id}/content`);
    expect([typed.status, typed.json.code]).toEqual([500, 'pack_damaged']);
    expect((await device.get(`/v1/versions/${id}`)).json.damaged).toBe(5);
    expect((await device.send('HEAD', `/v1/packs/${pack.id}`)).status).toBe(404);
    expect(bytes.length).toBe(5 * COARSE);
  });

  it('heals with the same pack sent again: the bytes come, also where the wrong ones had been read before', async () => {
    const base = await back(randomBytes(5 * COARSE), null);
    const next = await back(changed(base.bytes, 2), base, [2]);
    await flip(base.pack.id, 3 * COARSE + 500);
    await content(base.id);
    await expect.poll(damagedVersions).toEqual([next.id, base.id]);
    expect((await device.sendPack(base.pack)).status).toBe(204);
    expect(await damagedVersions()).toEqual([]);
    for (const { id, bytes } of [base, next]) {
      const reply = await device.get(`/v1/versions/${id}/content`);
      expect(reply.bytes.equals(bytes)).toBe(true);
      expect((await device.get(`/v1/versions/${id}`)).json).not.toHaveProperty('damaged');
    }
  });

  it('leaves everything readable that lies elsewhere: other versions, other parts', async () => {
    const base = await back(randomBytes(5 * COARSE), null);
    const next = await back(changed(base.bytes, 2), base, [2]);
    await flip(next.pack.id);
    await verify(true);
    expect(await damagedVersions()).toEqual([next.id]);
    expect((await device.get(`/v1/versions/${base.id}/content`)).bytes.equals(base.bytes)).toBe(true);
    const part = await device.get(`/v1/versions/${next.id}/content`, { range: `bytes=${3 * COARSE}-` });
    expect(part.status).toBe(206);
    expect(part.bytes.equals(next.bytes.subarray(3 * COARSE))).toBe(true);
    const lost = await device.get(`/v1/versions/${next.id}/content`, { range: `bytes=0-${2 * COARSE}` });
    expect([lost.status, lost.json.code]).toEqual([500, 'pack_damaged']);
  });

  it('has hashes of zero in the fingerprint; a version that brings those blocks restores, and mends the ones before it', async () => {
    const base = await back(randomBytes(5 * COARSE + 10), null);
    const next = await back(changed(base.bytes, 2), base, [2]);
    await flip(base.pack.id);
    await verify(true);
    const hashes = (await device.get(`/v1/versions/${next.id}/fingerprint`)).bytes;
    const zero = [0, 1, 2, 3, 4, 5].filter((index) =>
      hashes.subarray(32 * index, 32 * index + 32).every((byte) => byte === 0),
    );
    expect(zero).toEqual([0, 1, 3, 4, 5]);
    const now = changed(next.bytes, 4);
    const healed = await back(now, next, [0, 1, 3, 4, 5]);
    expect((await device.get(`/v1/versions/${healed.id}/content`)).bytes.equals(now)).toBe(true);
    // Block 4 of before is gone for good; everything else was sent again.
    expect(await damagedVersions()).toEqual([next.id, base.id]);
    expect((await device.get(`/v1/versions/${next.id}`)).json.damaged).toBe(1);
    const rest = await device.get(`/v1/versions/${next.id}/content`, { range: `bytes=0-${4 * COARSE - 1}` });
    expect(rest.bytes.equals(next.bytes.subarray(0, 4 * COARSE))).toBe(true);
    // Block 2 of the first version lies in the lost pack too, and nobody has it any more.
    expect((await device.get(`/v1/versions/${base.id}`)).json.damaged).toBe(2);
  });

  it('is nothing to build on: a commit is told to take another base', async () => {
    const base = await back(randomBytes(5 * COARSE), null);
    await flip(base.pack.id);
    const bytes = changed(base.bytes, 2);
    const pack = buildPack([bytes.subarray(2 * COARSE + 5, 2 * COARSE + 900)]);
    await device.sendPack(pack);
    const runs = [{ at: 2 * COARSE + 5, length: 895, pack: pack.id, offset: 0 }];
    const mixed = Buffer.from(base.bytes);
    bytes.copy(mixed, 2 * COARSE + 5, 2 * COARSE + 5, 2 * COARSE + 900);
    // Nobody has noticed yet: the commit itself reads what it is laid over.
    await flip(base.pack.id, 2 * COARSE + 2_000);
    const reply = await device.putVersion(randomUUID(), commitOf(mixed, base.id, runs, [2]));
    expect([reply.status, reply.json.code]).toEqual([409, 'base_unknown']);
    expect(await damagedVersions()).toEqual([base.id]);
  });

  it('that a commit brings itself is asked for again', async () => {
    const bytes = randomBytes(2 * COARSE);
    const pack = buildPack([bytes.subarray(0, 100_000), bytes.subarray(100_000)]);
    await device.sendPack(pack);
    await flip(pack.id);
    const commit = commitOf(bytes, null, [{ at: 0, length: 2 * COARSE, pack: pack.id, offset: 0 }], [0, 1]);
    const reply = await device.putVersion(randomUUID(), commit);
    expect([reply.status, reply.json.code]).toEqual([409, 'packs_missing']);
    expect(reply.json.detail.missing).toEqual([pack.id]);
    expect((await device.sendPack(pack)).status).toBe(204);
    expect((await device.putVersion(randomUUID(), commit)).status).toBe(201);
  });
});

describe('a pack that came for a backup that was given up, and rotted with its index intact', () => {
  /** Frames of whole blocks: their hashes in the index are those that the commit declares. */
  async function wholeBlocks(): Promise<{ pack: BuiltPack; commit: ReturnType<typeof commitOf> }> {
    const bytes = randomBytes(2 * COARSE);
    const pack = buildPack([bytes.subarray(0, COARSE), bytes.subarray(COARSE)]);
    expect((await device.sendPack(pack)).status).toBe(204);
    const run = { at: 0, length: 2 * COARSE, pack: pack.id, offset: 0 };
    return { pack, commit: commitOf(bytes, null, [run], [0, 1]) };
  }

  it.each([
    ['the server was started again since', () => server.restart()],
    [
      'it came a day ago',
      async () => {
        server.clock += 86_400_000;
      },
    ],
  ])('gets no receipt, and is asked for again: %s', async (_what, meanwhile) => {
    const { pack, commit } = await wholeBlocks();
    await meanwhile();
    await flip(pack.id);
    expect((await device.send('HEAD', `/v1/packs/${pack.id}`)).status).toBe(200);
    const reply = await device.putVersion(randomUUID(), commit);
    expect([reply.status, reply.json.code]).toEqual([409, 'packs_missing']);
    expect(reply.json.detail.missing).toEqual([pack.id]);
    expect((await device.get('/v1/versions')).json.versions).toEqual([]);
    expect((await device.sendPack(pack)).status).toBe(204);
    expect((await device.putVersion(randomUUID(), commit)).status).toBe(201);
  });

  it('is read at the commit, unless it came just now: that is what a first backup waits for', async () => {
    const read = vi.spyOn(PackReader.prototype, 'read');
    const fresh = await wholeBlocks();
    const stale = await wholeBlocks();
    expect((await device.putVersion(randomUUID(), fresh.commit)).status).toBe(201);
    expect(read).not.toHaveBeenCalled();
    await server.restart();
    expect((await device.putVersion(randomUUID(), stale.commit)).status).toBe(201);
    expect(read).toHaveBeenCalledTimes(2);
  });
});

describe('a pack that vanished', () => {
  it('is found by a read, and is back when it is sent again', async () => {
    const { id, pack, bytes } = await back(randomBytes(COARSE), null);
    await server.restart();
    await rm(packFile(pack.id));
    await content(id);
    await expect.poll(damagedVersions).toEqual([id]);
    await device.sendPack(pack);
    expect((await device.get(`/v1/versions/${id}/content`)).bytes.equals(bytes)).toBe(true);
  });

  it('before a rebuild is lost after it, and heals all the same', async () => {
    const base = await back(randomBytes(3 * COARSE), null);
    const next = await back(changed(base.bytes, 1), base, [1]);
    await server.stop();
    await rm(packFile(base.pack.id));
    for (const ending of ['', '-wal', '-shm']) {
      await rm(join(server.directory, `catalogue.db${ending}`), { force: true });
    }
    const { rebuildCatalogue } = await import('../../../server/healing/rebuild.ts');
    const { devices } = await rebuildCatalogue({
      directory: server.directory,
      overwrite: false,
      capabilities: server.capabilities,
      progress: () => undefined,
    });
    expect(devices[0]).toMatchObject({ versions: 2, lost: [base.pack.id] });
    await server.start();
    expect(await damagedVersions()).toEqual([next.id, base.id]);
    await device.sendPack(base.pack);
    expect(await damagedVersions()).toEqual([]);
    expect((await device.get(`/v1/versions/${next.id}/content`)).bytes.equals(next.bytes)).toBe(true);
  });
});

describe('a plain file that rotted', () => {
  it('is contained, and heals when it is sent again', async () => {
    const bytes = randomBytes(200_000);
    await device.upload({ kind: 'file', path: '/f' }, bytes);
    const [version] = (await device.get('/v1/versions')).json.versions;
    await flip(version.sha256);
    const [before] = await verify(true);
    expect(before!.damagedPacks).toEqual([{ id: version.sha256, state: 'contained' }]);
    expect(await damagedVersions()).toEqual([version.id]);
    await device.upload({ kind: 'file', path: '/f' }, bytes);
    expect(await damagedVersions()).toEqual([]);
    expect((await device.get(`/v1/versions/${version.id}/content`)).bytes.equals(bytes)).toBe(true);
  });
});

describe('verify', () => {
  it('names what is damaged and changes nothing, unless told; and says when all is well', async () => {
    const base = await back(randomBytes(3 * COARSE), null);
    expect(await verify(false)).toEqual([
      expect.objectContaining({ packs: 1, versions: 1, damagedPacks: [], damagedVersions: [], trouble: [] }),
    ]);
    await flip(base.pack.id);
    const [named] = await verify(false);
    expect(named!.damagedPacks).toEqual([{ id: base.pack.id, state: 'damaged' }]);
    expect(existsSync(packFile(base.pack.id))).toBe(true);
    expect(await damagedVersions()).toEqual([]);
    const [repaired] = await verify(true);
    expect(repaired!.damagedPacks).toEqual([{ id: base.pack.id, state: 'contained' }]);
    expect(repaired!.damagedVersions).toEqual([{ id: base.id, path: expect.any(String), blocks: 3 }]);
    expect((await verify(true))[0]!.damagedPacks).toEqual([{ id: base.pack.id, state: 'lost' }]);
  });

  it('takes a pack that somebody put back', async () => {
    const base = await back(randomBytes(3 * COARSE), null);
    await flip(base.pack.id);
    await verify(true);
    await writeFile(packFile(base.pack.id), base.pack.bytes);
    expect((await verify(true))[0]!.damagedPacks).toEqual([{ id: base.pack.id, state: 'healed' }]);
    expect(await damagedVersions()).toEqual([]);
  });

  it.each([
    ['path', "path || 'x'", 'path'],
    ['sequence', 'sequence + 6', 'place'],
    ['size', 'size + 1', 'size'],
    ['sha256', "replace(sha256, substr(sha256, 1, 1), 'g')", 'SHA-256'],
    ['root', "replace(root, substr(root, 1, 1), 'g')", 'root'],
    ['complete', '0', 'completeness'],
    ['received_at', "'1999' || substr(received_at, 5)", 'time of receipt'],
  ])('names a version whose row has another %s than its receipt', async (column, value, what) => {
    const base = await back(randomBytes(COARSE), null);
    const catalogue = new Database(join(server.directory, 'catalogue.db'));
    catalogue.prepare(`UPDATE versions SET ${column} = ${value}`).run();
    catalogue.close();
    expect((await verify(true))[0]!.trouble).toContainEqual(
      expect.stringContaining(`version ${base.id}: the catalogue has another ${what} than its receipt`),
    );
  });
});
