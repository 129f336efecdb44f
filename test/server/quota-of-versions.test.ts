// What commits take counts like what uploads take: pages, lists of pages, rows, version objects; and the reserve is kept before each.
import { randomUUID } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { buildPack } from './support/build-pack.ts';
import { allBlocks, commitOf, type DeviceClient } from './support/device-client.ts';
import { TestServer } from './support/test-server.ts';

vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>();
  return { ...fs, statfs: vi.fn(fs.statfs) };
});

let server: TestServer;
afterEach(async () => {
  vi.mocked(statfs).mockReset();
  await server.dispose();
});

const MIB = 1_048_576;
const QUOTA = 400_000;

/** A version of 64 MiB over a pack of 1 MiB that has some bytes, and what commits it again with nothing changed. */
async function largeVersion(device: DeviceClient): Promise<() => Promise<{ status: number; code?: string }>> {
  const bytes = Buffer.alloc(64 * MIB);
  const pack = buildPack([Buffer.alloc(MIB)]);
  await device.sendPack(pack);
  const runs = Array.from({ length: 64 }, (_, n) => ({ at: n * MIB, length: MIB, pack: pack.id, offset: 0 }));
  const base = randomUUID();
  const first = commitOf(bytes, null, runs, allBlocks(bytes.length));
  expect((await device.putVersion(base, first)).status).toBe(201);
  const { changes } = commitOf(Buffer.alloc(0), base, [], []);
  return async () => {
    const { status, json } = await device.putVersion(randomUUID(), { ...first, base, changes });
    return { status, code: json.code };
  };
}

/** Bytes of all files below a folder. */
function bytesBelow(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

test('H5: commits of a few hundred bytes end at the quota, by what they take on the disk, also after a restart', async () => {
  server = await TestServer.start({ limits: { quotaBytes: QUOTA } });
  server.clock = Date.now();
  const device = await server.enrol();
  const again = await largeVersion(device);
  let taken = 0;
  let last = await again();
  while (last.status === 201 && taken++ < 200) last = await again();
  expect(last).toEqual({ status: 507, code: 'quota_full' });
  expect(taken).toBeGreaterThan(5);
  expect(bytesBelow(join(server.directory, 'vaults', device.device))).toBeLessThan(QUOTA);
  expect((await device.createUpload({ kind: 'file', path: '/a' }, QUOTA / 2)).status).toBe(507);
  await server.restart();
  // Counted from what is there, which is less than what was put down before for safety's sake.
  let more = 0;
  for (last = await again(); last.status === 201 && more < 200; more++) last = await again();
  expect(last.code).toBe('quota_full');
  expect(more).toBeLessThan(taken);
  const other = await server.enrol('other');
  expect((await other.createUpload({ kind: 'file', path: '/a' }, QUOTA / 2)).status).toBe(201);
});

test('H5: no commit takes the reserve', async () => {
  server = await TestServer.start();
  const device = await server.enrol();
  const again = await largeVersion(device);
  const { bsize } = await statfs(server.directory);
  const free = (bytes: number) =>
    vi.mocked(statfs).mockResolvedValue({ bavail: Math.floor(bytes / bsize), bsize } as never);
  free(64 * MIB - 1);
  expect(await again()).toEqual({ status: 507, code: 'server_full' });
  // Less than an upload needs, and enough for the commit of what was let in before.
  free(65 * MIB);
  expect((await again()).status).toBe(201);
});
