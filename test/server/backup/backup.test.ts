// G1: what a copy of a server is, where it may be written, and what a start says of a copy that was made without `server backup`.
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backUp } from '../../../server/backup/back-up.ts';
import { markUnfinished } from '../../../server/backup/unfinished.ts';
import { verifyVaults } from '../../../server/healing/verify-vaults.ts';
import { vaultPacks } from '../../support/vault-packs.ts';
import { DeviceClient } from '../support/device-client.ts';
import { TestServer } from '../support/test-server.ts';

let root: string;
let server: TestServer;
let device: DeviceClient;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'mailferry-backup-'));
  server = await TestServer.start({ directory: join(root, 'data') });
  device = await server.enrol();
});
afterEach(async () => {
  await server.dispose();
  rmSync(root, { recursive: true, force: true });
});

const send = async (bytes: Buffer): Promise<void> => {
  expect((await device.upload({ kind: 'file', path: '/mail.pst' }, bytes)).status).toBe(204);
};
const copyTo = (target: string, check = false) =>
  backUp({ source: server.directory, target, check, progress: () => undefined });
const verify = (directory: string) => verifyVaults({ directory, repair: false, progress: () => undefined });
/** Lends a server on `directory`, and the device as it is there. */
async function on<Result>(directory: string, use: (there: DeviceClient) => Promise<Result>): Promise<Result> {
  const started = await TestServer.start({ directory });
  try {
    return await use(
      new DeviceClient(() => started.url, device.device, device.credential, device.receiptKey),
    );
  } finally {
    await started.stop();
  }
}

describe('G1: server backup', () => {
  it('copies what is there, then only what is new; the copy is whole, private, and a server starts on it', async () => {
    const [first, second] = [randomBytes(100_000), randomBytes(50_000)];
    await send(first);
    const target = join(root, 'below', 'copy');
    expect(await copyTo(target)).toMatchObject({ devices: 1, versions: 1, packs: 1, copied: 2, skipped: 0 });
    for (const name of ['receipt-key.pem', 'catalogue.db']) {
      expect(statSync(join(target, name)).mode & 0o077).toBe(0);
    }
    await on(target, async (there) => {
      expect((await there.get('/v1/versions')).json.versions).toHaveLength(1);
    });
    await send(second);
    expect(await copyTo(target)).toMatchObject({ versions: 2, packs: 2, copied: 2, skipped: 2 });
    expect((await verify(target))[0]).toMatchObject({ damagedPacks: [], damagedObjects: [], trouble: [] });
    await on(target, async (there) => {
      const { versions } = (await there.get('/v1/versions')).json;
      const contents = await Promise.all(
        versions.map(async ({ id }: { id: string }) => (await there.get(`/v1/versions/${id}/content`)).bytes),
      );
      expect(contents.map((bytes: Buffer) => bytes.length)).toEqual([50_000, 100_000]);
    });
  });

  it('copies again what is shorter than it was, and with --check what is damaged', async () => {
    await send(randomBytes(100_000));
    const target = join(root, 'copy');
    await copyTo(target);
    const [pack] = vaultPacks(target);
    writeFileSync(pack!, readFileSync(pack!).subarray(0, 500));
    expect(await copyTo(target)).toMatchObject({ copied: 1, skipped: 1 });
    const bytes = readFileSync(pack!);
    bytes[9]! ^= 1;
    writeFileSync(pack!, bytes);
    expect((await copyTo(target, true)).copied).toBeGreaterThanOrEqual(1);
    expect((await verify(target))[0]).toMatchObject({ damagedPacks: [] });
  });

  it('names a pack that is missing or damaged, and marks it in the copy; all else is there', async () => {
    for (const [index, harm] of [
      (path: string) => rmSync(path),
      (path: string) => writeFileSync(path, Buffer.alloc(statSync(path).size)),
      (path: string) => {
        cpSync(path, `${path}.away`);
        rmSync(path);
        symlinkSync(`${path}.away`, path);
      },
    ].entries()) {
      await send(randomBytes(10_000 + index));
      const before = vaultPacks(server.directory);
      await send(randomBytes(20_000 + index));
      const path = vaultPacks(server.directory).find((name) => !before.includes(name))!;
      harm(path);
      const target = join(root, `copy-${index}`);
      const { failed } = await copyTo(target);
      expect(failed.map(({ what }) => path.endsWith(what))).toContain(true);
      await on(target, async (there) => {
        const damaged = (await there.get('/v1/versions?damaged=true')).json.versions;
        expect(damaged.map(({ size }: { size: number }) => size)).toContain(20_000 + index);
      });
    }
  });

  it('refuses a place that is no place for a copy, and writes nothing there', async () => {
    await send(Buffer.from('mail'));
    const used = join(root, 'used');
    mkdirSync(used);
    writeFileSync(join(used, 'thesis.doc'), 'mine');
    symlinkSync(used, join(root, 'link'));
    const foreign = await TestServer.start({ directory: join(root, 'foreign') });
    await foreign.enrol();
    await foreign.stop();
    const half = join(root, 'half');
    mkdirSync(half);
    await markUnfinished(half, 'the key of another server');
    const inside = join(server.directory, 'vaults', 'copy');
    for (const target of [
      server.directory,
      inside,
      root,
      used,
      join(root, 'link'),
      join(root, 'foreign'),
      half,
    ]) {
      await expect(copyTo(target), target).rejects.toMatchObject({ code: 'target_refused' });
    }
    expect([existsSync(inside), existsSync(join(used, 'catalogue.db'))]).toEqual([false, false]);
    await expect(copyTo(join(used, 'thesis.doc', 'below'))).rejects.toMatchObject({ code: 'target_refused' });
  });

  it('does not write over a copy on which a server gave receipts of its own', async () => {
    await send(Buffer.from('mail'));
    const target = join(root, 'copy');
    await copyTo(target);
    await on(target, (there) => there.upload({ kind: 'file', path: '/b' }, Buffer.from('only there')));
    await expect(copyTo(target)).rejects.toMatchObject({
      code: 'target_refused',
      message: expect.stringContaining('a server ran there'),
    });
  });

  it('leaves an unfinished copy that no server starts on and no command takes for whole', async () => {
    const target = join(root, 'copy');
    mkdirSync(target);
    await markUnfinished(target, device.receiptKey);
    const refused = { code: 'state_unusable', message: expect.stringContaining('is an unfinished copy') };
    await expect(TestServer.start({ directory: target })).rejects.toMatchObject(refused);
    await expect(verify(target)).rejects.toMatchObject(refused);
    await expect(
      backUp({ source: target, target: join(root, 'b'), check: false, progress: () => undefined }),
    ).rejects.toMatchObject(refused);
    await copyTo(target);
    await on(target, async (there) => expect((await there.get('/v1/versions')).status).toBe(200));
  });
});

describe('G1: a catalogue that is ahead of its vault, as `cp -r` of a running server makes it', () => {
  it('is noticed by the start: what stands on missing packs is marked before anything is served', async () => {
    await send(randomBytes(10_000));
    const before = vaultPacks(server.directory);
    await send(randomBytes(20_000));
    await server.stop();
    const copy = join(root, 'copy');
    cpSync(server.directory, copy, { recursive: true });
    for (const path of vaultPacks(copy)) {
      if (!before.includes(path.replace(copy, server.directory))) rmSync(path);
    }
    await on(copy, async (there) => {
      const { versions } = (await there.get('/v1/versions?damaged=true')).json;
      expect(versions.map(({ size }: { size: number }) => size)).toEqual([20_000]);
    });
    expect((await verify(copy))[0]!.damagedVersions).toHaveLength(1);
    await server.start();
  });
});
