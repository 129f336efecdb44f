// Version objects rot or vanish in the vault, where nothing reads them until a rebuild: verify finds it, and makes them again in time.
import { randomBytes, randomUUID } from 'node:crypto';
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verify as verifyCommand } from '../../../server/commands/verify.ts';
import { rebuildCatalogue } from '../../../server/healing/rebuild.ts';
import { verifyVaults } from '../../../server/healing/verify-vaults.ts';
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
afterEach(() => server.dispose());

const home = (...names: string[]): string => join(server.directory, 'vaults', device.device, ...names);
const catalogueFile = (): string => join(server.directory, 'catalogue.db');

interface Backed {
  readonly id: string;
  readonly bytes: Buffer;
  readonly commit: ReturnType<typeof commitOf>;
  readonly pack: string;
}

/** A version of `path`: all of `bytes`, or one block of them over `base`. */
async function back(bytes: Buffer, base: Backed | null = null, block = 0, path = '/a.pst'): Promise<Backed> {
  const [from, to] = base ? [block * COARSE, (block + 1) * COARSE] : [0, bytes.length];
  const pack = buildPack([bytes.subarray(from, to)]);
  expect((await device.sendPack(pack)).status).toBe(204);
  const id = randomUUID();
  const runs = [{ at: from, length: to - from, pack: pack.id, offset: 0 }];
  const blocks = base ? [block] : allBlocks(bytes.length);
  const commit = commitOf(bytes, base?.id ?? null, runs, blocks, { path });
  expect((await device.putVersion(id, commit)).status).toBe(201);
  return { id, bytes, commit, pack: pack.id };
}

function changed(bytes: Buffer, block: number): Buffer {
  const copy = Buffer.from(bytes);
  randomBytes(COARSE).copy(copy, block * COARSE);
  return copy;
}

async function objectOf(id: string): Promise<string> {
  const name = (await readdir(home('versions'))).find((entry) => entry.includes(id));
  return home('versions', name ?? `no object of ${id}`);
}

/** Flips a bit of the change list, which no receipt covers. */
async function flip(id: string): Promise<void> {
  const bytes = await readFile(await objectOf(id));
  bytes[bytes.indexOf('"changes"') + 100]! ^= 1;
  await writeFile(await objectOf(id), bytes);
}

const verify = async (repair: boolean) =>
  (await verifyVaults({ directory: server.directory, repair, progress: () => undefined }))[0]!;

/** What `mailferry server verify` prints, and its exit code. */
async function command(repair: boolean): Promise<{ code: number; text: string }> {
  let text = '';
  const out = {
    write: (line: string) => {
      text += line;
    },
  };
  const console = { out, err: out, now: () => 0, json: false };
  return { code: await verifyCommand(console, { directory: server.directory, repair }), text };
}

async function rebuilt() {
  await server.stop();
  for (const ending of ['', '-wal', '-shm']) await rm(catalogueFile() + ending, { force: true });
  const { devices } = await rebuildCatalogue({
    directory: server.directory,
    overwrite: false,
    capabilities: server.capabilities,
    progress: () => undefined,
  });
  await server.start();
  return devices[0]!;
}

const listed = async () => (await device.get('/v1/versions?partial=true')).json.versions;
const content = async (id: string) => (await device.get(`/v1/versions/${id}/content`)).bytes;

function alter(column: string, value: string, id: string): void {
  const catalogue = new Database(catalogueFile());
  catalogue.prepare(`UPDATE versions SET ${column} = ${value} WHERE id = ?`).run(id);
  catalogue.close();
}

describe('a version object that rotted', () => {
  it('and others are built on is named, made again, and a rebuild brings everything back', async () => {
    const first = await back(randomBytes(40 * COARSE + 77));
    const second = await back(changed(first.bytes, 1), first, 1);
    const third = await back(changed(second.bytes, 20), second, 20);
    await device.upload({ kind: 'file', path: '/plain' }, randomBytes(100_000));
    const [plain] = await listed();
    const before = await listed();
    await flip(first.id);
    await rm(await objectOf(second.id));
    const plainObject = await objectOf(plain.id);
    const asItWas = await readFile(plainObject);
    await writeFile(plainObject, asItWas.subarray(0, 200));

    const found = await command(false);
    expect(found.code).toBe(1);
    expect(found.text).toContain(`version ${first.id} of /a.pst is damaged`);
    expect((await verify(false)).damagedObjects).toEqual([
      { id: first.id, path: '/a.pst', state: 'damaged' },
      { id: second.id, path: '/a.pst', state: 'missing' },
      { id: plain.id, path: '/plain', state: 'damaged' },
    ]);
    expect((await readFile(plainObject)).length).toBe(200);

    expect((await command(true)).code).toBe(0);
    expect(await verify(false)).toMatchObject({ damagedObjects: [], trouble: [] });
    expect((await readFile(plainObject)).equals(asItWas)).toBe(true);

    expect(await rebuilt()).toMatchObject({ versions: 4, lost: [], trouble: [] });
    expect(await listed()).toEqual(before);
    for (const { id, bytes } of [first, second, third]) expect((await content(id)).equals(bytes)).toBe(true);
    expect(await verify(false)).toMatchObject({ damagedObjects: [], damagedPacks: [], trouble: [] });
    // The commit is still known by its hash, which the object made again can't be the source of.
    for (const { id, commit } of [first, second])
      expect((await device.putVersion(id, commit)).status).toBe(200);
    const next = await back(changed(third.bytes, 3), third, 3);
    expect((await content(next.id)).equals(next.bytes)).toBe(true);
  });

  it.each([
    ['a time', '"mtime":"2026', '"mtime":"2025'],
    ['its base', '"base":null', '"base":"7f3f8f5e-0000-4000-8000-000000000000"'],
    ['its receipt', '"signature":"', '"signature":"0'],
  ])('in %s is found, though not all of it is signed', async (_what, from, to) => {
    const { id } = await back(randomBytes(COARSE));
    const text = await readFile(await objectOf(id), 'utf8');
    await writeFile(await objectOf(id), text.replace(from, to));
    expect((await verify(false)).damagedObjects).toEqual([{ id, path: '/a.pst', state: 'damaged' }]);
  });

  it('after it was made again is found and made again once more', async () => {
    const { id, bytes } = await back(randomBytes(3 * COARSE));
    await flip(id);
    await verify(true);
    const whole = await readFile(await objectOf(id));
    await flip(id);
    expect((await verify(true)).damagedObjects).toEqual([{ id, path: '/a.pst', state: 'rewritten' }]);
    expect((await readFile(await objectOf(id))).equals(whole)).toBe(true);
    // The hash of the commit is the one thing in it that nothing else in it proves.
    const text = whole
      .toString()
      .replace(/"bodyHash":"(.)/, (_, digit) => `"bodyHash":"${digit === '0' ? 1 : 0}`);
    await writeFile(await objectOf(id), text);
    expect((await verify(true)).damagedObjects).toEqual([{ id, path: '/a.pst', state: 'rewritten' }]);
    expect((await readFile(await objectOf(id))).equals(whole)).toBe(true);
    await rebuilt();
    expect((await content(id)).equals(bytes)).toBe(true);
  });

  it('names the plain files that bytes were found in', async () => {
    const bytes = randomBytes(2 * COARSE);
    const { id, pack } = await back(bytes);
    await device.upload({ kind: 'file', path: '/same' }, bytes);
    await rm(home('packs', pack.slice(0, 2), pack));
    await verify(true);
    expect((await content(id)).equals(bytes)).toBe(true);
    await flip(id);
    expect((await verify(true)).damagedObjects).toHaveLength(1);
    expect(await rebuilt()).toMatchObject({ versions: 2, trouble: [], lost: [] });
    expect((await content(id)).equals(bytes)).toBe(true);
  });

  it('is not written over from a row that is not what its receipt says', async () => {
    const { id } = await back(randomBytes(COARSE));
    await rm(await objectOf(id));
    alter('path', "'/b.pst'", id);
    const found = await verify(true);
    expect(found.damagedObjects).toEqual([{ id, path: '/b.pst', state: 'missing' }]);
    expect(found.trouble).toContainEqual(expect.stringContaining("can't be made again"));
    expect(await readdir(home('versions'))).toEqual([]);
  });
});

it.each([
  ['mtime', "'2020-01-01T00:00:00.000Z'", 'mtime'],
  ['health', "'needs-repair'", 'health'],
  ['body_hash', 'zeroblob(32)', 'hash of the commit'],
])('an object stands against a row whose %s rotted', async (column, value, what) => {
  const { id } = await back(randomBytes(COARSE));
  const before = await readFile(await objectOf(id));
  alter(column, value, id);
  const found = await verify(true);
  expect(found.damagedObjects).toEqual([]);
  expect(found.trouble).toEqual([expect.stringContaining(`another ${what} than its object`)]);
  expect((await readFile(await objectOf(id))).equals(before)).toBe(true);
});

describe('a hole in the objects, which nobody mended in time', () => {
  it.each([
    ['damaged', async (id: string) => flip(id)],
    ['no object any more', async (id: string) => writeFile(await objectOf(id), '{')],
    ['missing', async (id: string) => rm(await objectOf(id))],
  ])('keeps from an older catalogue only what is based on it: its object is %s', async (_what, harm) => {
    const first = await back(randomBytes(3 * COARSE));
    await server.stop();
    await copyFile(catalogueFile(), join(server.directory, 'copy'));
    await server.start();
    const hole = await back(changed(first.bytes, 1), first, 1);
    await back(changed(hole.bytes, 2), hole, 2);
    const other = await back(randomBytes(COARSE), null, 0, '/other.pst');
    const again = await back(changed(first.bytes, 0), first, 0);
    const before = await listed();
    await server.stop();
    await harm(hole.id);
    for (const ending of ['-wal', '-shm']) await rm(catalogueFile() + ending, { force: true });
    await copyFile(join(server.directory, 'copy'), catalogueFile());
    await server.start();
    const kept = [again.id, other.id, first.id];
    expect(await listed()).toEqual(before.filter(({ id }: { id: string }) => kept.includes(id)));
    for (const { id, bytes } of [again, other]) expect((await content(id)).equals(bytes)).toBe(true);
  });

  it('is named by a rebuild, by its place where nothing else is left of it', async () => {
    await back(randomBytes(COARSE));
    const gone = await back(randomBytes(COARSE));
    const last = await back(randomBytes(COARSE));
    await rm(await objectOf(gone.id));
    expect(await rebuilt()).toMatchObject({
      versions: 2,
      trouble: [{ what: '2', message: expect.stringContaining('missing') }],
    });
    expect((await content(last.id)).equals(last.bytes)).toBe(true);
  });
});
