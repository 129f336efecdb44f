// The room on the server's disks, and the one threshold below which nothing new is taken: /readyz and every upload ask here.
import { statfs } from 'node:fs/promises';
import { MAX_PACK_STORED } from '../shared/pack.ts';
import type { Vault } from './vault/vault.ts';

/** What stays free on each disk, for the catalogue and for putting things right. */
export const RESERVE_BYTES = 67_108_864;

export class Room {
  readonly #directory: string;
  readonly #vault: Vault;

  /** `directory`: where the catalogue lies; the vault may be on another disk. */
  constructor(directory: string, vault: Vault) {
    this.#directory = directory;
    this.#vault = vault;
  }

  /** Whether the reserve is left on each disk when `bytes` more are written: for what follows an upload that was let in. */
  async keepsReserve(bytes: number): Promise<boolean> {
    const { bavail, bsize } = await statfs(this.#directory);
    return Math.min(bavail * bsize, await this.#vault.freeBytes()) >= RESERVE_BYTES + bytes;
  }

  /**
   * Whether there is room for an upload of `bytes` besides the reserve. Whatever is smaller than the largest pack needs as much as that
   * one, so that a server that is ready takes every pack, and one that is not takes none.
   */
  async has(bytes = 0): Promise<boolean> {
    const { bavail, bsize } = await statfs(this.#directory);
    if (bavail * bsize < RESERVE_BYTES) return false;
    return (await this.#vault.freeBytes()) >= RESERVE_BYTES + Math.max(bytes, MAX_PACK_STORED);
  }
}
