// What the versions of one device take on the disk besides packs: pages, lists of pages, rows and version objects.
import type { DeviceCatalogue } from './catalogue/device-catalogue.ts';
import type { Vault } from './vault/vault.ts';
import type { NewPage } from './version/accept-version.ts';

/** A row of a version with its receipt, the indexes over it, and what a version object has besides its changes. */
const VERSION_BYTES = 4_096;
/** What a page takes besides its hashes and extents: its row, its own hash, numbers. */
const PAGE_BYTES = 64;
/** Of an extent in a page: three varints. */
const EXTENT_BYTES = 12;
/** Of a page in the list of a version: its root, and how far its row is from the one before. */
const ENTRY_BYTES = 36;

/** Bytes that a version with these pages takes, whose changes have `changeBytes` bytes: somewhat more than it will, never far less. */
export function bytesOfVersion(pages: readonly NewPage[], changeBytes: number): number {
  let bytes = VERSION_BYTES + Math.ceil((4 * changeBytes) / 3) + ENTRY_BYTES * pages.length;
  for (const page of pages)
    if ('page' in page)
      bytes += PAGE_BYTES + page.page.hashes.length + EXTENT_BYTES * page.page.extents.length;
  return bytes;
}

/** Counted once, when it is first asked for, and then along. */
export class StoredBytes {
  readonly #catalogue: DeviceCatalogue;
  readonly #vault: Vault;
  #counting: Promise<number> | undefined;
  /** Of versions that came since it was counted. */
  #added = 0;

  constructor(catalogue: DeviceCatalogue, vault: Vault) {
    this.#catalogue = catalogue;
    this.#vault = vault;
  }

  async bytes(): Promise<number> {
    this.#counting ??= this.#count();
    this.#counting.catch(() => {
      this.#counting = undefined;
    });
    return (await this.#counting) + this.#added;
  }

  /** A version was stored that takes so many bytes. */
  add(bytes: number): void {
    if (this.#counting) this.#added += bytes;
  }

  async #count(): Promise<number> {
    const { pages, versions, device } = this.#catalogue;
    return (await pages.bytes()) + (await versions.bytes()) + (await this.#vault.versionBytes(device));
  }
}
