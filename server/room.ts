// The room on the server's disks, and the one threshold below which nothing new is taken: /readyz and every upload ask here.
import { statfs } from 'node:fs/promises';
import { MAX_PACK_STORED } from '../shared/pack.ts';
import type { Vault } from './vault/vault.ts';

/** What stays free on each disk, for the catalogue and for putting things right. */
export const RESERVE_BYTES = 67_108_864;

export class Room {
  readonly #directory: string;
  readonly #vault: Vault;
  readonly #giveRoom: () => Promise<void>;

  /** `directory`: where the catalogue lies; the vault may be on another disk. `giveRoom`: lets go of what can be made anew. */
  constructor(directory: string, vault: Vault, giveRoom: () => Promise<void> = async () => {}) {
    this.#directory = directory;
    this.#vault = vault;
    this.#giveRoom = giveRoom;
  }

  /** Whether the reserve is left on each disk when `bytes` more are written: for what follows an upload that was let in. */
  keepsReserve(bytes: number): Promise<boolean> {
    return this.#ask((here, vault) => Math.min(here, vault) >= RESERVE_BYTES + bytes);
  }

  /**
   * Whether there is room for an upload of `bytes` besides the reserve. Whatever is smaller than the largest pack needs as much as that
   * one, so that a server that is ready takes every pack, and one that is not takes none.
   */
  has(bytes = 0): Promise<boolean> {
    const needed = RESERVE_BYTES + Math.max(bytes, MAX_PACK_STORED);
    return this.#ask((here, vault) => here >= RESERVE_BYTES && vault >= needed);
  }

  /** Asks once more when room was given back: what this server keeps to read faster is no reason to refuse anything. */
  async #ask(isEnough: (here: number, vault: number) => boolean): Promise<boolean> {
    const ask = async () => {
      const { bavail, bsize } = await statfs(this.#directory);
      return isEnough(bavail * bsize, await this.#vault.freeBytes());
    };
    if (await ask()) return true;
    await this.#giveRoom();
    return ask();
  }
}
