// The vault on a file system passes the contract of vaults.
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileVault } from '../../../server/vault/file.ts';
import { vaultContract } from '../../contracts/vault.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'mailferry-vault-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

let made = 0;
const nextRoot = (): string => join(root, 'not', 'there', `yet-${made++}`);

describe('a vault of files', () => {
  vaultContract(async () => new FileVault(nextRoot()));

  it('is readable to its owner alone', async () => {
    const directory = nextRoot();
    const vault = new FileVault(directory);
    await vault.stagingDirectory('aa'.repeat(16));
    expect((await stat(directory)).mode & 0o077).toBe(0);
    await vault.close();
  });

  it('removes half-written versions at a sweep', async () => {
    const directory = nextRoot();
    const vault = new FileVault(directory);
    const device = 'aa'.repeat(16);
    await vault.stagingDirectory(device);
    const half = join(directory, device, 'versions', '000000000001-x.json.tmp');
    await writeFile(half, 'half');
    await vault.sweep(device);
    await expect(stat(half)).rejects.toThrow('ENOENT');
  });
});
