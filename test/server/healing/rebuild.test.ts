// A catalogue is lost, damaged or old: everything that had a receipt comes back out of the vaults, and nothing that was there is lost.
import { randomBytes, randomUUID } from 'node:crypto';
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Catalogue } from '../../../server/catalogue/catalogue.ts';
import { rebuildCatalogue } from '../../../server/healing/rebuild.ts';
import { sha256 } from '../../../server/sha256.ts';
import { toHex } from '../../../shared/byte-codec.ts';
import { buildPack } from '../support/build-pack.ts';
import { allBlocks, commitOf, type DeviceClient } from '../support/device-client.ts';
import { TestServer } from '../support/test-server.ts';

let server: TestServer;
let device: DeviceClient;
const path = '/home/a/mail.pst';

beforeEach(async () => {
  server = await TestServer.start();
  device = await server.enrol('Ännes Laptop');
});
afterEach(() => server.dispose());

const catalogueFile = (): string => join(server.directory, 'catalogue.db');
const home = (...names: string[]): string => join(server.directory, 'vaults', device.device, ...names);

function rebuild(overwrite = false) {
  const progress = () => undefined;
  return rebuildCatalogue({
    directory: server.directory,
    overwrite,
    capabilities: server.capabilities,
    progress,
  });
}

async function loseCatalogue(): Promise<void> {
  await server.stop();
  for (const ending of ['', '-wal', '-shm']) await rm(catalogueFile() + ending, { force: true });
}

/** Sends `bytes` as a first version of `at`, or as a change of one block over `base`. */
async function back(bytes: Buffer, base: string | null, block?: number, at = path): Promise<string> {
  const [from, to] = block === undefined ? [0, bytes.length] : [block * 65_536, (block + 1) * 65_536];
  const pack = buildPack([bytes.subarray(from, to)]);
  expect((await device.sendPack(pack)).status).toBe(204);
  const id = randomUUID();
  const runs = [{ at: from, length: to - from, pack: pack.id, offset: 0 }];
  const blocks = block === undefined ? allBlocks(bytes.length) : [block];
  const reply = await device.putVersion(id, commitOf(bytes, base, runs, blocks, { path: at }));
  expect([reply.status, reply.json.code]).toEqual([201, undefined]);
  return id;
}

function changed(bytes: Buffer, block: number): Buffer {
  const copy = Buffer.from(bytes);
  randomBytes(65_536).copy(copy, block * 65_536);
  return copy;
}

/** All that a device can see: versions with receipts, and the bytes of each. */
async function seen(client: DeviceClient): Promise<unknown[]> {
  const { versions } = (await client.get('/v1/versions?partial=true')).json;
  const all = [];
  for (const version of versions) {
    const content = await client.get(`/v1/versions/${version.id}/content`);
    const fingerprint = await client.get(`/v1/versions/${version.id}/fingerprint`);
    all.push({
      version,
      status: content.status,
      content: version.complete ? toHex(sha256(content.bytes)) : '',
      fingerprint: toHex(sha256(fingerprint.bytes)),
    });
  }
  return all;
}

/** Two files, one with a history, a checkpoint and a plain upload of another device; what each content is. */
async function fill(): Promise<{ other: DeviceClient; newest: string }> {
  const other = await server.enrol('other');
  const first = randomBytes(300_000);
  let id = await back(first, null);
  let bytes: Buffer = first;
  for (const block of [0, 2, 2]) {
    bytes = changed(bytes, block);
    id = await back(bytes, id, block);
  }
  const small = randomBytes(100_000);
  const pack = buildPack([small]);
  await device.sendPack(pack);
  const runs = [{ at: 0, length: 100_000, pack: pack.id, offset: 0 }];
  const checkpoint = commitOf(small, null, runs, [0, 1], { path: '/cut', complete: false, sha256: null });
  expect((await device.putVersion(randomUUID(), checkpoint)).status).toBe(201);
  expect((await other.upload({ kind: 'file', path: 'C:\\x' }, randomBytes(2_000_000))).status).toBe(204);
  expect((await other.upload({ kind: 'file', path: '/empty' }, Buffer.alloc(0))).status).toBe(204);
  return { other, newest: id };
}

describe('a catalogue that is gone', () => {
  it('comes back: devices, versions, receipts, bytes, fingerprints; the next version is chained on', async () => {
    const { other, newest } = await fill();
    const before = [await seen(device), await seen(other)];
    await loseCatalogue();
    const { devices, kept } = await rebuild();
    expect(kept).toBeNull();
    expect(devices.map(({ name, versions, trouble, lost }) => ({ name, versions, trouble, lost }))).toEqual(
      expect.arrayContaining([
        { name: 'Ännes Laptop', versions: 5, trouble: [], lost: [] },
        { name: 'other', versions: 2, trouble: [], lost: [] },
      ]),
    );
    await server.start();
    expect([await seen(device), await seen(other)]).toEqual(before);
    const { bytes } = await device.get(`/v1/versions/${newest}/content`);
    await back(changed(bytes, 1), newest, 1);
    const [last, previous] = (await device.get('/v1/versions?partial=true')).json.versions;
    const { statement, signature } = previous.receipt;
    expect(JSON.parse(last.receipt.statement).previous).toBe(
      toHex(sha256(Buffer.from(`${statement}\n${signature}`))),
    );
  });

  it('answers a commit that is repeated with the receipt it got', async () => {
    const bytes = randomBytes(65_536);
    const pack = buildPack([bytes]);
    await device.sendPack(pack);
    const id = randomUUID();
    const commit = commitOf(bytes, null, [{ at: 0, length: 65_536, pack: pack.id, offset: 0 }], [0]);
    const first = await device.putVersion(id, commit);
    await loseCatalogue();
    await rebuild();
    await server.start();
    const again = await device.putVersion(id, commit);
    expect(again.status).toBe(200);
    expect(again.json.receipt).toEqual(first.json.receipt);
  });

  it('is not silently replaced by an empty one, by no command', async () => {
    await loseCatalogue();
    const unusable = { code: 'state_unusable', message: expect.stringContaining('rebuild') };
    await expect(server.start()).rejects.toMatchObject(unusable);
    expect(() => new Catalogue(server.directory)).toThrow(expect.objectContaining(unusable));
  });

  it.each([
    ['cut short', (bytes: Buffer) => bytes.subarray(0, 5_000)],
    ['no database', (bytes: Buffer) => Buffer.alloc(bytes.length, 7)],
    [
      'zeroed in its first page',
      (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 100), Buffer.alloc(3_996), bytes.subarray(4_096)]),
    ],
  ])('is asked for where the catalogue is %s', async (_what, damaged) => {
    await server.stop();
    const file = join(server.directory, 'catalogue.db');
    for (const companion of ['-wal', '-shm']) await rm(file + companion, { force: true });
    await writeFile(file, damaged(await readFile(file)));
    const unusable = { code: 'state_unusable', message: expect.stringContaining('mailferry server rebuild') };
    await expect(server.start()).rejects.toMatchObject(unusable);
    await rebuild();
    await server.start();
  });

  it('leaves packs of a backup under way known, if they are what they claim', async () => {
    const good = buildPack([randomBytes(70_000)]);
    const bad = buildPack([randomBytes(70_000)]);
    for (const pack of [good, bad]) await device.sendPack(pack);
    await loseCatalogue();
    const file = home('packs', bad.id.slice(0, 2), bad.id);
    const bytes = await readFile(file);
    bytes[500]! ^= 1;
    await writeFile(file, bytes);
    const { devices } = await rebuild();
    expect(devices[0]!.trouble).toEqual([expect.objectContaining({ what: bad.id })]);
    await server.start();
    expect((await device.send('HEAD', `/v1/packs/${good.id}`)).status).toBe(200);
    expect((await device.send('HEAD', `/v1/packs/${bad.id}`)).status).toBe(404);
  });
});

describe('two objects that claim one place', () => {
  /** A version object that was written before a commit was cut short, beside the version that took its place. */
  async function cutShort(): Promise<{ orphan: string; id: string }> {
    const bytes = randomBytes(65_536);
    const orphan = await back(bytes, null, undefined, '/orphan');
    await server.stop();
    const [name] = await readdir(home('versions'));
    const object = await readFile(home('versions', name!));
    const db = new Database(catalogueFile());
    db.exec('DELETE FROM receipts; DELETE FROM versions; DELETE FROM map_pages');
    db.close();
    await rm(home('versions', name!));
    await server.start();
    server.clock += 1_000;
    const id = await back(randomBytes(65_536), null, undefined, '/taken');
    await writeFile(home('versions', name!), object);
    return { orphan, id };
  }

  it('are told apart by the receipt that follows', async () => {
    const { id } = await cutShort();
    // A clock that went back must not decide.
    server.clock -= 10_000_000;
    const next = await back(randomBytes(65_536), null, undefined, '/next');
    await loseCatalogue();
    const { devices } = await rebuild();
    expect(devices[0]).toMatchObject({
      versions: 2,
      trouble: [{ message: expect.stringContaining('cut short') }],
    });
    await server.start();
    const { versions } = (await device.get('/v1/versions')).json;
    expect(versions.map((version: { id: string }) => version.id)).toEqual([next, id]);
  });

  it('and that nothing follows: the later one stands', async () => {
    const { id } = await cutShort();
    await loseCatalogue();
    await rebuild();
    await server.start();
    const { versions } = (await device.get('/v1/versions')).json;
    expect(versions.map((version: { id: string }) => version.id)).toEqual([id]);
  });
});

describe('what is damaged in the vault', () => {
  it('is named, and everything else comes back', async () => {
    const bytes = randomBytes(200_000);
    const base = await back(bytes, null);
    await back(changed(bytes, 1), base, 1);
    const other = await back(randomBytes(65_536), null, undefined, '/other');
    const names = await readdir(home('versions'));
    await loseCatalogue();
    const second = home('versions', names.sort()[1]!);
    const text = await readFile(second, 'utf8');
    await writeFile(second, text.replace('"size":200000', '"size":200001'));
    const { devices } = await rebuild();
    expect(devices[0]).toMatchObject({
      versions: 2,
      trouble: [{ message: expect.stringContaining('receipt') }],
    });
    await server.start();
    const { versions } = (await device.get('/v1/versions')).json;
    expect(versions.map((version: { id: string }) => version.id)).toEqual([other, base]);
  });

  it('does not open the door: a device object that was changed lets nobody in, its versions are kept', async () => {
    await back(randomBytes(65_536), null);
    await loseCatalogue();
    const object = await readFile(home('device.json'), 'utf8');
    await writeFile(home('device.json'), object.replace('Laptop', 'Toplap'));
    const { devices } = await rebuild();
    expect(devices[0]).toMatchObject({ name: null, versions: 1, trouble: [{ what: device.device }] });
    await server.start();
    expect((await device.get('/v1/versions')).status).toBe(401);
  });

  it('is refused without the key, and a start makes no second one', async () => {
    await server.stop();
    await rm(join(server.directory, 'receipt-key.pem'));
    const unusable = { code: 'state_unusable', message: expect.stringContaining('receipt-key.pem') };
    await expect(rebuild(true)).rejects.toMatchObject(unusable);
    await expect(server.start()).rejects.toMatchObject(unusable);
  });
});

describe('a catalogue that is there', () => {
  it('and whole is not rebuilt unless told, and kept even then', async () => {
    await back(randomBytes(65_536), null);
    await server.stop();
    await expect(rebuild()).rejects.toMatchObject({ code: 'target_exists' });
    const { kept } = await rebuild(true);
    expect(kept).toContain('catalogue.db.before-');
    expect(await readdir(server.directory)).toContain(kept!.split('/').at(-1));
    await server.start();
    expect((await device.get('/v1/versions')).json.versions).toHaveLength(1);
  });

  it('and damaged is rebuilt, and kept', async () => {
    await back(randomBytes(65_536), null);
    await server.stop();
    const bytes = await readFile(catalogueFile());
    bytes.fill(0xff, 4_096, 40_000);
    await writeFile(catalogueFile(), bytes);
    expect((await rebuild()).kept).not.toBeNull();
    await server.start();
    expect((await device.get('/v1/versions')).json.versions).toHaveLength(1);
  });

  it('and cut to nothing counts as damaged', async () => {
    await back(randomBytes(65_536), null);
    await server.stop();
    await writeFile(catalogueFile(), '');
    await rebuild();
    await server.start();
    expect((await device.get('/v1/versions')).json.versions).toHaveLength(1);
  });

  it('is left alone while a server runs', async () => {
    await expect(rebuild(true)).rejects.toMatchObject({ code: 'state_locked' });
  });
});

describe('a catalogue restored from an older copy', () => {
  it('is brought up to date by the start: devices, versions and the chain', async () => {
    const bytes = randomBytes(200_000);
    const base = await back(bytes, null);
    await server.stop();
    await copyFile(catalogueFile(), join(server.directory, 'copy'));
    await server.start();
    await back(changed(bytes, 1), base, 1);
    await back(changed(bytes, 2), base, 2);
    const late = await server.enrol('late');
    await late.upload({ kind: 'file', path: '/f' }, randomBytes(1_000));
    const before = [await seen(device), await seen(late)];
    await loseCatalogue();
    await copyFile(join(server.directory, 'copy'), catalogueFile());
    await server.start();
    expect([await seen(device), await seen(late)]).toEqual(before);
  });

  it('keeps what it says itself, where its history is another one', async () => {
    await server.stop();
    await copyFile(catalogueFile(), join(server.directory, 'copy'));
    await server.start();
    await back(randomBytes(65_536), null, undefined, '/a');
    await back(randomBytes(65_536), null, undefined, '/b');
    await loseCatalogue();
    await copyFile(join(server.directory, 'copy'), catalogueFile());
    const names = await readdir(home('versions'));
    const aside = await Promise.all(names.map((name) => readFile(home('versions', name))));
    for (const name of names) await rm(home('versions', name));
    await server.start();
    await back(randomBytes(65_536), null, undefined, '/c');
    await server.stop();
    for (const [index, name] of names.entries()) await writeFile(home('versions', name), aside[index]!);
    await server.start();
    const { versions } = (await device.get('/v1/versions')).json;
    expect(versions.map((version: { path: string }) => version.path)).toEqual(['/c']);
  });
});
