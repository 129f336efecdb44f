// G4: another receipt key in the place of the one that receipts were signed with, or none: every command says so, and changes nothing.
import { generateKeyPairSync } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backUp } from '../../server/backup/back-up.ts';
import { rebuildCatalogue } from '../../server/healing/rebuild.ts';
import { verifyVaults } from '../../server/healing/verify-vaults.ts';
import { mailferry } from '../support/mailferry.ts';
import type { DeviceClient } from './support/device-client.ts';
import { TestServer } from './support/test-server.ts';

let server: TestServer;
let device: DeviceClient;
const key = (): string => join(server.directory, 'receipt-key.pem');
const anotherKey = (): string =>
  String(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));

beforeEach(async () => {
  server = await TestServer.start();
  device = await server.enrol();
});
afterEach(() => server.dispose());

const giveReceipt = async (): Promise<void> => {
  expect((await device.upload({ kind: 'file', path: '/mail.pst' }, Buffer.from('mail'))).status).toBe(204);
};
/** As a catalogue of before, which does not know its key. */
function forgetKey(): void {
  const db = new Database(join(server.directory, 'catalogue.db'));
  db.exec('DELETE FROM receipt_key');
  db.close();
}
/** All that is in the vaults, by its path. */
function vaults(): Map<string, string> {
  const root = join(server.directory, 'vaults');
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [path, readFileSync(path, 'hex')]));
}
const ANOTHER = { code: 'state_unusable', message: expect.stringContaining('is not the key that') };
const MISSING = { code: 'state_unusable', message: expect.stringContaining('receipt-key.pem is not in') };

describe('G4: a server', () => {
  it.each([
    ['that gave receipts', true, false],
    ['that gave receipts, with a catalogue of before', true, true],
    ['that only enrolled devices', false, false],
    ['that only enrolled devices, with a catalogue of before', false, true],
  ])('%s does not start with another key, and goes on with its own', async (_what, receipts, before) => {
    if (receipts) await giveReceipt();
    await server.stop();
    if (before) forgetKey();
    const own = readFileSync(key());
    const kept = vaults();
    writeFileSync(key(), anotherKey());
    await expect(server.start()).rejects.toMatchObject(ANOTHER);
    expect(vaults()).toEqual(kept);
    writeFileSync(key(), own);
    await server.start();
    expect((await device.get('/v1/versions')).status).toBe(200);
    await server.restart();
  });

  it('says it in one sentence as a process', async () => {
    await giveReceipt();
    await server.stop();
    writeFileSync(key(), anotherKey());
    const words = ['server', '--data', server.directory, '--listen', '127.0.0.1:0', '--log-level', 'silent'];
    const { code, stderr, stdout } = await mailferry(...words).ended;
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /receipt-key\.pem in .* is not the key that this server's receipts were signed with/,
    );
  });

  it('makes no second key where the file is gone', async () => {
    await giveReceipt();
    await server.stop();
    rmSync(key());
    await expect(server.start()).rejects.toMatchObject(MISSING);
    expect(readdirSync(server.directory)).not.toContain('receipt-key.pem');
  });

  it('takes neither an empty file nor a folder for a key', async () => {
    await giveReceipt();
    await server.stop();
    writeFileSync(key(), '');
    await expect(server.start()).rejects.toMatchObject({ code: 'state_unusable' });
    rmSync(key());
    cpSync(join(server.directory, 'vaults'), key(), { recursive: true });
    await expect(server.start()).rejects.toMatchObject({ code: 'state_unusable' });
  });
});

describe('G4: with another key, and without one', () => {
  const to = (): string => join(server.directory, '..', `copy-${device.device}`);
  afterEach(() => rmSync(to(), { recursive: true, force: true }));
  const commands = {
    verify: () => verifyVaults({ directory: server.directory, repair: true, progress: () => undefined }),
    rebuild: () =>
      rebuildCatalogue({
        directory: server.directory,
        overwrite: true,
        capabilities: server.capabilities,
        progress: () => undefined,
      }),
    backup: () => backUp({ source: server.directory, target: to(), check: false, progress: () => undefined }),
  };
  it.each(['verify', 'rebuild', 'backup'] as const)('%s refuses, and changes nothing', async (command) => {
    await giveReceipt();
    await server.stop();
    const own = readFileSync(key());
    const kept = vaults();
    const catalogue = readFileSync(join(server.directory, 'catalogue.db'), 'hex');
    writeFileSync(key(), anotherKey());
    await expect(commands[command]()).rejects.toMatchObject(ANOTHER);
    rmSync(key());
    await expect(commands[command]()).rejects.toMatchObject(MISSING);
    expect(vaults()).toEqual(kept);
    expect(readFileSync(join(server.directory, 'catalogue.db'), 'hex')).toBe(catalogue);
    writeFileSync(key(), own);
    await commands[command]();
    await server.start();
  });
});
