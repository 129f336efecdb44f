// The server's disk is full: every way of writing says so, keeps what it has, and goes on when there is room again.
import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readdirSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildPack } from './support/build-pack.ts';
import { allBlocks, commitOf, type DeviceClient, type Reply } from './support/device-client.ts';
import { TestServer } from './support/test-server.ts';

const isRoot = process.getuid?.() === 0;

/** A small file system in memory; null where it can't be mounted. */
function mountSmall(): string | null {
  if (!isRoot) return null;
  const directory = mkdtempSync(join(tmpdir(), 'mailferry-full-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=184m', 'tmpfs', directory], { stdio: 'ignore' });
    return directory;
  } catch {
    rmdirSync(directory);
    return null;
  }
}

const volume = mountSmall();
if (volume) unmount(volume);

function unmount(directory: string): void {
  execFileSync('umount', ['-l', directory]);
  rmdirSync(directory);
}

describe.skipIf(!volume)(`a full disk${volume ? '' : ' (skipped: needs root and tmpfs)'}`, () => {
  let small: string;
  let server: TestServer;
  let device: DeviceClient;
  beforeEach(async () => {
    small = mountSmall()!;
    server = await TestServer.start({ directory: small });
    device = await server.enrol();
  });
  afterEach(async () => {
    await server.dispose();
    unmount(small);
  });

  function fill(): void {
    const file = openSync(join(small, 'filler'), 'w');
    const piece = Buffer.alloc(1_048_576, 1);
    try {
      for (const size of [1_048_576, 4_096]) {
        try {
          for (;;) if (writeSync(file, piece, 0, size) < size) break;
        } catch {
          // As full as it gets.
        }
      }
    } finally {
      closeSync(file);
    }
  }
  const free = (): void => rmSync(join(small, 'filler'), { force: true });
  const said = ({ status, json, headers }: Reply) => [status, json?.code, headers.get('retry-after')];
  const FULL = [507, 'server_full', '60'];
  const ready = async () => (await (await fetch(`${server.url}/readyz`)).json()) as object;

  it('stops an upload, which goes on where it was', async () => {
    const bytes = randomBytes(20_000_000);
    const created = await device.createUpload({ kind: 'file', path: '/f' }, bytes.length);
    const location = created.headers.get('location')!;
    expect((await device.patch(location, 0, bytes.subarray(0, 5_000_000))).status).toBe(204);
    fill();
    expect(await ready()).toMatchObject({ status: 'unready', reason: 'server_full' });
    expect(said(await device.patch(location, 5_000_000, bytes.subarray(5_000_000)))).toEqual(FULL);
    expect(said(await device.createUpload({ kind: 'file', path: '/g' }, 10))).toEqual(FULL);
    free();
    expect(await ready()).toMatchObject({ status: 'ready' });
    const offset = Number((await device.head(location)).headers.get('upload-offset'));
    expect(offset).toBeGreaterThanOrEqual(5_000_000);
    expect((await device.patch(location, offset, bytes.subarray(offset))).status).toBe(204);
    const [version] = (await device.get('/v1/versions')).json.versions;
    expect((await device.get(`/v1/versions/${version.id}/content`)).bytes.equals(bytes)).toBe(true);
  });

  it('stops a commit before its receipt, and the same commit gets it later; reads go on', async () => {
    const bytes = randomBytes(3_000_000);
    const pack = buildPack([bytes]);
    await device.sendPack(pack);
    const runs = [{ at: 0, length: bytes.length, pack: pack.id, offset: 0 }];
    const commit = commitOf(bytes, null, runs, allBlocks(bytes.length));
    const id = randomUUID();
    fill();
    expect(said(await device.putVersion(id, commit))).toEqual(FULL);
    expect((await device.get('/v1/versions')).json.versions).toEqual([]);
    expect(readdirSync(join(small, 'vaults', device.device, 'versions'))).toEqual([]);
    free();
    expect((await device.putVersion(id, commit)).status).toBe(201);
    fill();
    expect((await device.get(`/v1/versions/${id}/content`)).bytes.equals(bytes)).toBe(true);
    free();
    await server.restart();
    expect((await device.get(`/v1/versions/${id}/content`)).bytes.equals(bytes)).toBe(true);
  });

  it('enrols nobody, and the token is as good as before', async () => {
    const token = await server.token();
    const enrol = async () => {
      const response = await fetch(`${server.url}/v1/devices`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token, name: 'late' }),
      });
      return [response.status, ((await response.json()) as { code?: string }).code];
    };
    fill();
    expect(await enrol()).toEqual([507, 'server_full']);
    free();
    expect(await enrol()).toEqual([201, undefined]);
  });

  it('stops many packs at once, and loses none of those that were acknowledged', async () => {
    const packs = Array.from({ length: 18 }, () => buildPack([randomBytes(5_000_000)]));
    const filler = openSync(join(small, 'filler'), 'w');
    writeSync(filler, Buffer.alloc(48_000_000, 1));
    closeSync(filler);
    const replies = await Promise.all(packs.map((pack) => device.sendPack(pack)));
    for (const reply of replies) if (reply.status !== 204) expect(said(reply)).toEqual(FULL);
    expect(replies.some(({ status }) => status !== 204)).toBe(true);
    free();
    for (const [index, pack] of packs.entries()) {
      if (replies[index]!.status === 204) {
        expect((await device.send('HEAD', `/v1/packs/${pack.id}`)).status).toBe(200);
      }
    }
  });
});
