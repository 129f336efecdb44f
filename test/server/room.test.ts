// G2 and G3: the room on the disk. One threshold for /readyz and for uploads; a start on a disk that is full to the last byte.
import { randomBytes, randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Volume } from '../campaign/volume.ts';
import { kill, mailferryOk, type RunningServer, startServer, stop } from '../support/mailferry.ts';
import { lacks, lacksRoot, named } from '../support/programs.ts';
import { buildPack } from './support/build-pack.ts';
import { allBlocks, commitOf, DeviceClient } from './support/device-client.ts';

const lacking = lacksRoot() ?? lacks('losetup', 'mkfs.ext4', 'fallocate');
const MIB = 1_048_576;

describe.skipIf(lacking)(named('the room on an ext4 of its own', lacking), () => {
  let root: string;
  let volume: Volume;
  let data: string;
  let server: RunningServer;
  let device: DeviceClient;

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'mailferry-room-'));
    volume = new Volume(join(root, 'image'), join(root, 'mount'), { fileSystem: 'ext4', bytes: 300 * MIB });
    data = join(root, 'mount', 'data');
    server = await startServer(data);
    device = await enrolOne();
  }, 60_000);
  afterEach(async () => {
    await kill(server);
    volume.remove();
    await rm(root, { recursive: true, force: true });
  });

  async function enrolOne(): Promise<DeviceClient> {
    const response = await enrol((await token()).token);
    const { device, credential, receiptKey } = (await response.json()) as Record<string, string>;
    return new DeviceClient(() => server.url, device!, credential!, receiptKey!);
  }
  const token = async () => (await mailferryOk('server', 'token', 'create', '--data', data, '--json')).json;
  const enrol = (word: string): Promise<Response> =>
    fetch(`${server.url}/v1/devices`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: word, name: 'laptop' }),
    });
  const ready = async () => {
    const response = await fetch(`${server.url}/readyz`);
    return [response.status, ((await response.json()) as { reason?: string }).reason];
  };
  const READY = [200, undefined];
  const FULL = [503, 'server_full'];

  it('G2: says unready exactly where an upload of a pack gets 507, whatever its size', async () => {
    const outcomes = new Set<string>();
    for (const free of [140, 129, 127, 100, 65, 63]) {
      volume.free();
      volume.fill(free * MIB);
      const isReady = (await ready())[0] === 200;
      for (const length of [1_000, 20 * MIB, 64 * MIB]) {
        const { status } = await device.createUpload({ kind: 'pack', id: 'ab'.repeat(32) }, length);
        expect([free, length, status]).toEqual([free, length, isReady ? 201 : 507]);
      }
      outcomes.add(`${free} ${isReady}`);
    }
    expect([...outcomes]).toEqual(['140 true', '129 true', '127 false', '100 false', '65 false', '63 false']);
  });

  it('G2: unfolded frames that are kept to read faster give way to uploads', async () => {
    // Nearly nothing in the vault, and 8 MiB of a frame each in a scratch file where a version is read.
    const count = 20;
    const size = 8 * MIB;
    const frames = Array.from({ length: count }, (_, n) => Buffer.alloc(size, `${n} mails `));
    const packs = frames.map((frame) => buildPack([frame]));
    for (const pack of packs) expect((await device.sendPack(pack)).status).toBe(204);
    const runs = packs.map(({ id }, n) => ({ at: n * size, length: size, pack: id, offset: 0 }));
    const bytes = Buffer.concat(frames);
    const commit = commitOf(bytes, null, runs, allBlocks(bytes.length));
    const id = randomUUID();
    expect((await device.putVersion(id, commit)).status).toBe(201);
    // Room for an upload, as long as not most of it is taken by the scratch files.
    volume.free();
    volume.fill(200 * MIB);
    for (let n = 0; n < count; n++) {
      const range = `bytes=${n * size}-${n * size + 99_999}`;
      const part = await device.get(`/v1/versions/${id}/content`, { range });
      expect(part.bytes.equals(bytes.subarray(n * size, n * size + 100_000))).toBe(true);
    }
    const { bavail, bsize } = statfsSync(join(root, 'mount'));
    expect(bavail * bsize).toBeLessThan(128 * MIB);
    const created = await device.createUpload({ kind: 'pack', id: 'ab'.repeat(32) }, MIB);
    expect(created.status).toBe(201);
    expect(await ready()).toEqual(READY);
  }, 60_000);

  /** Not a byte is left, not even of what is reserved for root. */
  function fillWholly(): void {
    const file = openSync(join(root, 'mount', 'filler'), 'a');
    const piece = Buffer.alloc(MIB, 1);
    for (const size of [MIB, 4_096, 1]) {
      try {
        for (;;) if (writeSync(file, piece, 0, size) < size) break;
      } catch {
        // As full as it gets.
      }
    }
    closeSync(file);
    // What stays in statfs.bfree is the file system's own, and nobody can have it.
    const { bavail } = statfsSync(join(root, 'mount'));
    expect(bavail).toBe(0);
  }

  it.each(['stopped', 'killed'])(
    'G3: a server that was %s starts on a disk full to the last byte: it reads, and writes when there is room',
    async (how) => {
      const bytes = randomBytes(3 * MIB);
      const pack = buildPack([bytes]);
      expect((await device.sendPack(pack)).status).toBe(204);
      const id = randomUUID();
      const runs = [{ at: 0, length: bytes.length, pack: pack.id, offset: 0 }];
      const commit = commitOf(bytes, null, runs, allBlocks(bytes.length));
      expect((await device.putVersion(id, commit)).status).toBe(201);
      const unused = await token();
      const { port } = server;
      if (how === 'stopped') await stop(server);
      else await kill(server);
      fillWholly();
      server = await startServer(data, port);
      expect(await ready()).toEqual(FULL);
      const [version] = (await device.get('/v1/versions')).json.versions;
      expect(version.id).toBe(id);
      expect((await device.get(`/v1/versions/${id}/content`)).bytes.equals(bytes)).toBe(true);
      expect((await device.get(`/v1/versions/${id}/fingerprint`)).bytes).toHaveLength(32 * 48);
      const said = ({ status, json }: { status: number; json?: { code: string; hint: string } }) => [
        status,
        json?.code,
        json?.hint,
      ];
      const hint = 'Free space on the server; the upload goes on by itself.';
      const answers = [
        await device.createUpload({ kind: 'pack', id: pack.id }, 1_000),
        await device.createUpload({ kind: 'file', path: '/f' }, 1_000),
        await device.putVersion(randomUUID(), commit),
      ];
      for (const answer of answers) expect(said(answer)).toEqual([507, 'server_full', hint]);
      const enrolled = await enrol(unused.token);
      expect(said({ status: enrolled.status, json: (await enrolled.json()) as never })).toEqual([
        507,
        'server_full',
        hint,
      ]);
      // Some room, but not enough for an upload: as before.
      const filler = join(root, 'mount', 'filler');
      truncateSync(filler, statSync(filler).size - 50 * MIB);
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      expect(await ready()).toEqual(FULL);
      rmSync(join(root, 'mount', 'filler'));
      await expect.poll(() => ready().catch(() => []), { timeout: 20_000, interval: 200 }).toEqual(READY);
      expect((await enrol(unused.token)).status).toBe(201);
      expect((await device.sendPack(buildPack([randomBytes(1_000)]))).status).toBe(204);
      expect((await device.putVersion(randomUUID(), commit)).status).toBe(201);
      expect((await device.get(`/v1/versions/${id}/content`)).bytes.equals(bytes)).toBe(true);
      const ended = await stop(server);
      expect([ended.code, existsSync(join(data, 'catalogue.db'))]).toEqual([0, true]);
    },
    90_000,
  );

  it('G3: a server that never ran says that there is no room, in a sentence', async () => {
    await stop(server);
    mkdirSync(join(root, 'mount', 'full'));
    fillWholly();
    await expect(startServer(join(root, 'mount', 'full', 'new'))).rejects.toThrow(
      /no room|disk is full|full/,
    );
  });
});
