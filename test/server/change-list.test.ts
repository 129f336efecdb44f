// Change lists as uploads and fingerprints by range, over HTTP: what a commit takes by name, what it does not, and who sees it.
import { randomBytes, randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256 } from '../../server/sha256.ts';
import { toHex } from '../../shared/byte-codec.ts';
import { MAX_CHANGE_LIST_BYTES } from '../../shared/change-list.ts';
import type { CommitRequest } from '../../shared/protocol.ts';
import { buildPack } from './support/build-pack.ts';
import { allBlocks, coarseHashes, commitOf, type DeviceClient } from './support/device-client.ts';
import { TestServer } from './support/test-server.ts';

let server: TestServer;
let device: DeviceClient;
let other: DeviceClient;

beforeAll(async () => {
  server = await TestServer.start();
  device = await server.enrol('device');
  other = await server.enrol('other');
});
afterAll(() => server.dispose());

/** A commit whose packs are there, its list apart, and the same with the list inside. */
async function prepared(
  owner: DeviceClient,
  length = 200_000,
): Promise<{ list: Buffer; id: string; named: CommitRequest; inline: CommitRequest; bytes: Buffer }> {
  const bytes = randomBytes(length);
  const pack = buildPack([bytes]);
  expect((await owner.sendPack(pack)).status).toBe(204);
  const runs = [{ at: 0, length, pack: pack.id, offset: 0 }];
  const inline = commitOf(bytes, null, runs, allBlocks(length));
  const { changes, ...fields } = inline;
  const list = Buffer.from(changes!, 'base64');
  const id = toHex(sha256(list));
  return { list, id, inline, bytes, named: { ...fields, changeList: id } };
}

function sendList(from: DeviceClient, id: string, list: Uint8Array) {
  return from.upload({ kind: 'change-list', id }, list);
}

describe('2.1: a commit names its change list', () => {
  test('2.1: gets its receipt, again too when the list is gone, and the bytes come back', async () => {
    const { list, id, named, bytes } = await prepared(device);
    expect((await sendList(device, id, list)).status).toBe(204);
    const version = randomUUID();
    const first = await device.putVersion(version, named);
    expect(first.status).toBe(201);
    // The version holds what the list says: it is dropped.
    const staging = join(server.directory, 'vaults', device.device);
    expect(await readdir(join(staging, 'lists'))).toEqual([]);
    const again = await device.putVersion(version, named);
    expect([again.status, again.json.receipt]).toEqual([200, first.json.receipt]);
    expect((await device.get(`/v1/versions/${version}/content`)).bytes.equals(bytes)).toBe(true);
  });

  test('2.1: is told that the list is not here, by a code, and is taken once it was sent', async () => {
    const { list, id, named } = await prepared(device);
    const version = randomUUID();
    const refused = await device.putVersion(version, named);
    expect([refused.status, refused.json.code]).toEqual([409, 'change_list_unknown']);
    await sendList(device, id, list);
    expect((await device.putVersion(version, named)).status).toBe(201);
  });

  test('2.1: may ask by name for the receipt of a commit whose list went inside', async () => {
    const { list, id, named, inline } = await prepared(device);
    const version = randomUUID();
    const first = await device.putVersion(version, inline);
    expect((await device.putVersion(version, named)).json.code).toBe('change_list_unknown');
    await sendList(device, id, list);
    expect((await device.putVersion(version, named)).json.receipt).toEqual(first.json.receipt);
  });

  test('2.1: has either a list or a name, never both or none', async () => {
    const { named, inline } = await prepared(device);
    const { changeList: _, ...none } = named;
    for (const body of [{ ...inline, ...named }, none])
      expect((await device.putVersion(randomUUID(), body)).json.code).toBe('malformed');
  });

  test('2.1: another device can neither use the list nor tell that it is there', async () => {
    const { list, id } = await prepared(device);
    await sendList(device, id, list);
    const { named } = await prepared(other);
    const stolen = await other.putVersion(randomUUID(), { ...named, changeList: id });
    const absent = await other.putVersion(randomUUID(), { ...named, changeList: 'ab'.repeat(32) });
    expect(stolen.json.code).toBe('change_list_unknown');
    expect({ ...stolen.json, detail: null }).toEqual({ ...absent.json, detail: null });
  });

  test('2.1: other bytes than the name says are refused, and too many before any is taken', async () => {
    const { list, id } = await prepared(device);
    const wrong = Buffer.from(list);
    wrong[9]! ^= 1;
    const refused = await sendList(device, id, wrong);
    expect([refused.status, refused.json.code]).toEqual([422, 'change_list_refused']);
    const large = await device.createUpload({ kind: 'change-list', id }, MAX_CHANGE_LIST_BYTES + 1);
    expect([large.status, large.json.code]).toEqual([413, 'too_large']);
  });
});

describe('2.1: a fingerprint by range', () => {
  test('2.1: gives any part under a tag that is the root, and says its length to HEAD', async () => {
    const { inline, bytes } = await prepared(device, 400_000);
    const version = randomUUID();
    await device.putVersion(version, inline);
    const url = `/v1/versions/${version}/fingerprint`;
    const hashes = Buffer.from(coarseHashes(bytes));
    const head = await device.send('HEAD', url);
    expect([head.headers.get('content-length'), head.headers.get('etag')]).toEqual([
      String(hashes.length),
      `"${inline.root}"`,
    ]);
    for (const from of [0, 1, 32, 100, hashes.length - 1]) {
      const part = await device.get(url, { range: `bytes=${from}-`, 'if-range': `"${inline.root}"` });
      expect([part.status, part.headers.get('content-range')]).toEqual([
        206,
        `bytes ${from}-${hashes.length - 1}/${hashes.length}`,
      ]);
      expect(part.bytes.equals(hashes.subarray(from))).toBe(true);
    }
    const changed = await device.get(url, { range: 'bytes=32-', 'if-range': '"another"' });
    expect([changed.status, changed.bytes.equals(hashes)]).toEqual([200, true]);
    const past = await device.get(url, { range: `bytes=${hashes.length}-` });
    expect(past.status).toBe(416);
  });
});

describe('2.3: what a device of 0.1 asks', () => {
  test('2.3: its commit, its lists and its headers are answered as before', async () => {
    const { inline } = await prepared(device);
    expect((await device.putVersion(randomUUID(), inline)).status).toBe(201);
    const damaged = await device.get('/v1/versions?damaged=true&partial=true', { 'mailferry-later': '1' });
    expect(damaged.bytes.toString()).toBe('{"versions":[]}');
    const all = await device.get('/v1/versions?limit=10000');
    expect([all.status, all.json.versions.length > 0]).toEqual([200, true]);
  });
});
