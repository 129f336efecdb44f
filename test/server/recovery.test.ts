// What a start makes of what a crash left: each state between two steps of the order of durability, made by hand.
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../server/sha256.ts';
import { toHex } from '../../shared/byte-codec.ts';
import { buildPack } from './support/build-pack.ts';
import type { DeviceClient } from './support/device-client.ts';
import { TestServer } from './support/test-server.ts';

let server: TestServer;
let device: DeviceClient;
const home = (...names: string[]): string => join(server.directory, 'vaults', device.device, ...names);

beforeEach(async () => {
  server = await TestServer.start();
  device = await server.enrol();
});
afterEach(() => server.dispose());

/** An upload whose bytes are all there while the server knows nothing of it: as a kill after the last write leaves it. */
async function completeUnpublished(metadata: Record<string, string>, bytes: Uint8Array): Promise<string> {
  const location = (await device.createUpload(metadata, bytes.length)).headers.get('location')!;
  await writeFile(home('uploads', idOf(location)), bytes);
  return location;
}

const idOf = (location: string): string => location.split('/').at(-1)!;

async function moveToPacks(location: string, id: string): Promise<void> {
  await mkdir(home('packs', id.slice(0, 2)), { recursive: true });
  await rename(home('uploads', idOf(location)), home('packs', id.slice(0, 2), id));
}

describe('a pack', () => {
  const pack = buildPack([randomBytes(70_000)]);
  const known = async (): Promise<number> => (await device.send('HEAD', `/v1/packs/${pack.id}`)).status;

  it('with all its bytes is published by the start', async () => {
    await completeUnpublished({ kind: 'pack', id: pack.id }, pack.bytes);
    await server.restart();
    await expect.poll(known).toBe(200);
    expect(await readdir(home('uploads'))).toEqual([]);
  });

  it('with all its bytes is published by the HEAD that finds it so, once for all that ask', async () => {
    const location = await completeUnpublished({ kind: 'pack', id: pack.id }, pack.bytes);
    const heads = await Promise.all(Array.from({ length: 5 }, () => device.head(location)));
    for (const head of heads) expect(head.headers.get('upload-offset')).toBe(String(pack.bytes.length));
    expect(await known()).toBe(200);
  });

  it('that was moved but not recorded is recorded', async () => {
    const location = await completeUnpublished({ kind: 'pack', id: pack.id }, pack.bytes);
    await moveToPacks(location, pack.id);
    expect(await known()).toBe(404);
    await server.restart();
    await expect.poll(known).toBe(200);
    expect((await device.head(location)).headers.get('upload-offset')).toBe(String(pack.bytes.length));
  });

  it('whose bytes were torn by the crash is forgotten, and may come again', async () => {
    const torn = Buffer.from(pack.bytes);
    torn.fill(0, 10_000, 20_000);
    const location = await completeUnpublished({ kind: 'pack', id: pack.id }, torn);
    await server.restart();
    await expect.poll(async () => (await device.head(location)).status).toBe(404);
    expect((await device.sendPack(pack)).status).toBe(204);
  });

  it('that stands in its place without a row is checked all the same when it is sent', async () => {
    await mkdir(home('packs', pack.id.slice(0, 2)), { recursive: true });
    await writeFile(home('packs', pack.id.slice(0, 2), pack.id), pack.bytes);
    expect(await known()).toBe(404);
    expect((await device.sendPack(pack)).status).toBe(204);
    expect(await known()).toBe(200);
  });
});

describe('a file', () => {
  const bytes = randomBytes(300_000);
  const versions = async () => (await device.get('/v1/versions?path=%2Ff')).json.versions;

  it('with all its bytes becomes its version, once', async () => {
    await completeUnpublished({ kind: 'file', path: '/f' }, bytes);
    await server.restart();
    await expect.poll(async () => (await versions()).length).toBe(1);
    await server.restart();
    const [version] = await versions();
    expect((await device.get(`/v1/versions/${version.id}/content`)).bytes.equals(bytes)).toBe(true);
  });

  it('that was moved and noted but not recorded becomes its version', async () => {
    const location = await completeUnpublished({ kind: 'file', path: '/f' }, bytes);
    const id = toHex(sha256(bytes));
    await moveToPacks(location, id);
    await server.stop();
    const db = new Database(join(server.directory, 'catalogue.db'));
    db.prepare('UPDATE uploads SET pack = ? WHERE id = ?').run(id, idOf(location));
    db.close();
    await server.start();
    await expect.poll(async () => (await versions()).length).toBe(1);
  });

  it('of no bytes becomes its version', async () => {
    const location = await completeUnpublished({ kind: 'file', path: '/f' }, new Uint8Array(0));
    await server.stop();
    // Back to the moment between the row of the upload and the rest.
    const db = new Database(join(server.directory, 'catalogue.db'));
    db.exec('DELETE FROM receipts; DELETE FROM versions; DELETE FROM packs; UPDATE uploads SET finished = 0');
    db.close();
    await server.start();
    await expect.poll(async () => (await versions()).length).toBe(1);
    expect((await device.head(location)).headers.get('upload-offset')).toBe('0');
  });
});

describe('orphans', () => {
  it('go, both files without a row and rows without a file', async () => {
    const location = (await device.createUpload({ kind: 'file', path: '/f' }, 10)).headers.get('location')!;
    await rm(home('uploads', idOf(location)));
    await writeFile(home('uploads', 'ab'.repeat(16)), 'x');
    const kept = (await device.createUpload({ kind: 'file', path: '/g' }, 10)).headers.get('location')!;
    await device.patch(kept, 0, Buffer.from('12345'));
    await server.restart();
    expect(await readdir(home('uploads'))).toEqual([idOf(kept)]);
    expect((await device.head(location)).status).toBe(404);
    expect((await device.head(kept)).headers.get('upload-offset')).toBe('5');
  });
});

describe('a stop', () => {
  it('in the middle of a PATCH takes little time and keeps what had arrived', async () => {
    const location = (await device.createUpload({ kind: 'file', path: '/f' }, 1_000_000)).headers.get(
      'location',
    )!;
    const patch = request(server.url + location, {
      method: 'PATCH',
      headers: {
        authorization: `Bearer ${device.credential}`,
        'tus-resumable': '1.0.0',
        'upload-offset': '0',
        'content-type': 'application/offset+octet-stream',
        'content-length': '1000000',
        'mailferry-acks': '1',
      },
    });
    const acked = new Promise((resolve) => patch.on('information', resolve));
    patch.on('error', () => undefined);
    patch.write(randomBytes(400_000));
    await acked;
    const before = performance.now();
    await server.stop();
    expect(performance.now() - before).toBeLessThan(5_000);
    await server.start();
    const offset = Number((await device.head(location)).headers.get('upload-offset'));
    expect(offset).toBeGreaterThanOrEqual(131_072);
    expect(offset).toBeLessThanOrEqual(400_000);
  });
});
