// The packs that a server holds, as files.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The paths of all packs in the vaults of the data directory `data`. */
export function vaultPacks(data: string): string[] {
  return readdirSync(join(data, 'vaults'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^[0-9a-f]{64}$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Bytes of all packs in the vaults below `data`: what had to be sent once. */
export function vaultPackBytes(data: string): number {
  return vaultPacks(data).reduce((sum, path) => sum + statSync(path).size, 0);
}
