// Repairs beside a running server: nothing is taken for damaged that is not, and no receipt stands on a pack that is known as lost.
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Catalogue } from '../../../server/catalogue/catalogue.ts';
import { contain } from '../../../server/healing/damage.ts';
import { verifyVaults } from '../../../server/healing/verify-vaults.ts';
import { UNFOLDING } from '../../../server/pack/codecs.ts';
import { FileVault } from '../../../server/vault/file.ts';
import { CODECS } from '../../../shared/pack.ts';
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

const packFile = (id: string) => join(server.directory, 'vaults', device.device, 'packs', id.slice(0, 2), id);
const verify = (repair: boolean) =>
  verifyVaults({ directory: server.directory, repair, progress: () => undefined });

/** Sends the blocks of `bytes` in one pack, and what a commit of them says. */
async function send(bytes: Buffer, blocks: number[], base: string | null) {
  const parts = blocks.map((index) => bytes.subarray(index * COARSE, (index + 1) * COARSE));
  const pack = buildPack(parts);
  expect((await device.sendPack(pack)).status).toBe(204);
  const runs = blocks.map((index, at) => ({
    at: index * COARSE,
    length: parts[at]!.length,
    pack: pack.id,
    offset: at * COARSE,
  }));
  return { pack: pack.id, body: commitOf(bytes, base, runs, blocks) };
}

/** Another process that finds `pack` damaged, at the moment when the server is about to write a version to its vault. */
function losesInTheMiddle(pack: string) {
  const put = FileVault.prototype.putVersion;
  let lost = false;
  vi.spyOn(FileVault.prototype, 'putVersion').mockImplementation(async function (this: FileVault, ...of) {
    await put.apply(this, of);
    if (lost) return;
    lost = true;
    const catalogue = new Catalogue(server.directory);
    const vault = new FileVault(join(server.directory, 'vaults'));
    try {
      await contain(vault, catalogue.forDevice(device.device), pack);
    } finally {
      await vault.close();
      await catalogue.close();
    }
  });
}

describe('a codec that this runtime lacks', () => {
  for (const [name, at] of Object.entries({ 'in one call': 2 * COARSE, 'in pieces': 40 * COARSE })) {
    test(`H12: is no damage: ${name}, nothing is moved aside, and it is told`, async () => {
      const bytes = Buffer.concat([Buffer.alloc(at, 'the same again '), randomBytes(COARSE)]);
      const { pack, body } = await send(bytes, allBlocks(bytes.length), null);
      const id = randomUUID();
      expect((await device.putVersion(id, body)).status).toBe(201);
      const stands = await readFile(packFile(pack));
      for (const codec of [CODECS.brotli, CODECS.zstd]) {
        const lacking = (): never => {
          throw new TypeError('zlib has no such decoder');
        };
        vi.spyOn(UNFOLDING[codec], 'inOneCall').mockImplementation(lacking);
        vi.spyOn(UNFOLDING[codec], 'form').mockImplementation(lacking);
      }
      for (const repair of [false, true]) {
        const [found] = await verify(repair);
        expect(found).toMatchObject({
          damagedPacks: [{ id: pack, state: 'unreadable' }],
          damagedVersions: [],
        });
        expect((await readFile(packFile(pack))).equals(stands)).toBe(true);
      }
      vi.restoreAllMocks();
      expect((await device.get(`/v1/versions/${id}/content`)).bytes.equals(bytes)).toBe(true);
      expect(await verify(true)).toMatchObject([{ damagedPacks: [] }]);
    });
  }

  test('H12: a pack that is damaged as well is damaged', async () => {
    const bytes = Buffer.alloc(3 * COARSE, 'again ');
    const { pack, body } = await send(bytes, allBlocks(bytes.length), null);
    expect((await device.putVersion(randomUUID(), body)).status).toBe(201);
    const damaged = await readFile(packFile(pack));
    damaged[40]! ^= 1;
    await writeFile(packFile(pack), damaged);
    expect(await verify(true)).toMatchObject([{ damagedPacks: [{ id: pack, state: 'contained' }] }]);
    expect(existsSync(packFile(pack))).toBe(false);
  });
});

describe('a pack that another process finds lost while a version is taken', () => {
  test('H13: no receipt is given over a pack that the commit brings', async () => {
    const bytes = randomBytes(4 * COARSE);
    const { pack, body } = await send(bytes, allBlocks(bytes.length), null);
    losesInTheMiddle(pack);
    const id = randomUUID();
    const reply = await device.putVersion(id, body);
    expect([reply.status, reply.json.code]).toEqual([409, 'packs_missing']);
    expect((await device.get(`/v1/versions/${id}`)).status).toBe(404);
    // The device sends it again, and has its receipt.
    await send(bytes, allBlocks(bytes.length), null);
    expect((await device.putVersion(id, body)).status).toBe(201);
    expect((await device.get(`/v1/versions/${id}/content`)).bytes.equals(bytes)).toBe(true);
  });

  test('H13: nor over one of its base', async () => {
    const bytes = randomBytes(40 * COARSE);
    const first = await send(bytes, allBlocks(bytes.length), null);
    const base = randomUUID();
    expect((await device.putVersion(base, first.body)).status).toBe(201);
    const now = Buffer.from(bytes);
    randomBytes(COARSE).copy(now, 3 * COARSE);
    const second = await send(now, [3], base);
    losesInTheMiddle(first.pack);
    const id = randomUUID();
    const reply = await device.putVersion(id, second.body);
    expect([reply.status, reply.json.code]).toEqual([409, 'base_unknown']);
    expect((await device.get(`/v1/versions/${id}`)).status).toBe(404);
  });

  test('H13: a loss that is none of its business keeps no version from its receipt', async () => {
    const other = randomBytes(2 * COARSE);
    const { pack, body } = await send(other, allBlocks(other.length), null);
    expect((await device.putVersion(randomUUID(), { ...body, path: '/other' })).status).toBe(201);
    const bytes = randomBytes(4 * COARSE);
    const mine = await send(bytes, allBlocks(bytes.length), null);
    losesInTheMiddle(pack);
    const id = randomUUID();
    expect((await device.putVersion(id, mine.body)).status).toBe(201);
    expect((await device.get(`/v1/versions/${id}/content`)).bytes.equals(bytes)).toBe(true);
  });
});
