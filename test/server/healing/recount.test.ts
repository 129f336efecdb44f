// I1: a crash between "this pack is lost" and the count of the versions that stand on it, in every place where a pack is lost or comes back.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { contain } from '../../../server/healing/damage.ts';
import { verifyVaults } from '../../../server/healing/verify-vaults.ts';
import { FileVault } from '../../../server/vault/file.ts';
import { vaultPacks } from '../../support/vault-packs.ts';
import type { DeviceClient } from '../support/device-client.ts';
import { TestServer } from '../support/test-server.ts';

let server: TestServer;
afterEach(() => server.dispose());

async function withVersion(options = {}): Promise<{ device: DeviceClient; pack: string; id: string }> {
  server = await TestServer.start(options);
  const device = await server.enrol();
  const bytes = randomBytes(100_000);
  expect((await device.upload({ kind: 'file', path: '/mail.pst' }, bytes)).status).toBe(204);
  const [version] = (await device.get('/v1/versions')).json.versions;
  return { device, pack: version.sha256, id: version.id };
}

const damaged = async (device: DeviceClient): Promise<string[]> =>
  (await device.get('/v1/versions?damaged=true')).json.versions.map(({ id }: { id: string }) => id);
const verify = async () => {
  const options = { directory: server.directory, repair: false, progress: () => undefined };
  return (await verifyVaults(options))[0]!.damagedVersions.map(({ id }) => id);
};

/** What a process leaves that is killed after it took a pack out of use, and before it counts. */
async function loseUncounted(device: DeviceClient, pack: string): Promise<void> {
  const vault = new FileVault(join(server.directory, 'vaults'));
  await contain(vault, server.running.catalogue.forDevice(device.device), pack);
  await vault.close();
}

describe('I1: a pack was lost and a crash came before the count', () => {
  it('verify counts, without --repair', async () => {
    const { device, pack, id } = await withVersion();
    await loseUncounted(device, pack);
    expect(await verify()).toEqual([id]);
    expect(await damaged(device)).toEqual([id]);
  });

  it('a start counts', async () => {
    const { device, pack, id } = await withVersion();
    await loseUncounted(device, pack);
    await server.restart();
    expect(await damaged(device)).toEqual([id]);
  });

  it('a server that goes on running counts by itself', async () => {
    const { device, pack, id } = await withVersion({ recountEveryMs: 50 });
    await loseUncounted(device, pack);
    await expect.poll(() => damaged(device), { timeout: 10_000 }).toEqual([id]);
  });

  it('a start counts anew where the pack came back, too', async () => {
    const { device, pack, id } = await withVersion();
    const [path] = vaultPacks(server.directory);
    const bytes = readFileSync(path!);
    await loseUncounted(device, pack);
    expect(await verify()).toEqual([id]);
    // It is sent again, and the crash comes before the count.
    const rows = server.running.catalogue.forDevice(device.device);
    await rows.packs.add({ id: pack, kind: 'raw', stored: bytes.length, raw: bytes.length });
    await server.stop();
    writeFileSync(path!, bytes);
    await server.start();
    expect(await damaged(device)).toEqual([]);
    expect((await device.get(`/v1/versions/${id}/content`)).bytes.equals(bytes)).toBe(true);
  });

  it('a verify --repair that is killed at that moment, for real', async () => {
    const { device, id } = await withVersion();
    await server.stop();
    const [path] = vaultPacks(server.directory);
    const bytes = readFileSync(path!);
    bytes[500]! ^= 1;
    writeFileSync(path!, bytes);
    const built = (name: string): string => fileURLToPath(new URL(`../../../dist/${name}`, import.meta.url));
    const words = ['--import', built('test/campaign/sabotage/kill-before-count.js'), built('client/main.js')];
    const child = spawn(process.execPath, [
      ...words,
      'server',
      'verify',
      '--repair',
      '--data',
      server.directory,
    ]);
    expect((await once(child, 'exit'))[1]).toBe('SIGKILL');
    const aside = join(server.directory, 'vaults', device.device, 'damaged');
    expect(readdirSync(aside)).toHaveLength(1);
    expect(await verify()).toEqual([id]);
    await server.start();
    expect(await damaged(device)).toEqual([id]);
  });
});
