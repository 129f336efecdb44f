// The change lists of one device between their upload and their commit: published, read once, dropped when a version holds them.
import { toHex } from '../../shared/byte-codec.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import { sha256 } from '../sha256.ts';
import type { Vault } from '../vault/vault.ts';

interface ChangeListPorts {
  readonly catalogue: DeviceCatalogue;
  readonly vault: Vault;
  now(): number;
}

export class ChangeLists {
  readonly #ports: ChangeListPorts;

  constructor(ports: ChangeListPorts) {
    this.#ports = ports;
  }

  /** Makes the staged file of `upload`, whose bytes were found to be `list`, durable and known, and the upload finished. Repeatable. */
  async publish(upload: string, list: { readonly id: string; readonly bytes: number }): Promise<void> {
    const { catalogue, vault, now } = this.#ports;
    await vault.publishList(catalogue.device, upload, list.id);
    const receivedAt = new Date(now()).toISOString();
    await catalogue.transaction(async (rows) => {
      await rows.changeLists.add({ ...list, receivedAt });
      await rows.uploads.finish(upload);
    });
  }

  /** The bytes of a list; undefined where this device has sent none of that id, or where what is on the disk is not it any more. */
  async read(id: string): Promise<Uint8Array | undefined> {
    const { catalogue, vault } = this.#ports;
    if ((await catalogue.changeLists.bytesOf(id)) === undefined) return undefined;
    const bytes = await vault.readList(catalogue.device, id);
    if (bytes && toHex(sha256(bytes)) === id) return bytes;
    await this.drop(id);
    return undefined;
  }

  /** Whether the vault has a list, whole, whatever the catalogue knows. */
  async isPublished(id: string): Promise<boolean> {
    const { catalogue, vault } = this.#ports;
    const bytes = await vault.readList(catalogue.device, id);
    return bytes !== undefined && toHex(sha256(bytes)) === id;
  }

  /** Forgets a list. Idempotent. */
  async drop(id: string): Promise<void> {
    const { catalogue, vault } = this.#ports;
    await catalogue.changeLists.remove(id);
    await vault.dropList(catalogue.device, id);
  }

  /** Forgets the lists that came more than `lifeMs` ago and that no commit has used; how many. Not beside a commit of the device. */
  async expire(lifeMs: number): Promise<number> {
    const { catalogue, now } = this.#ports;
    const old = await catalogue.changeLists.ids(new Date(now() - lifeMs).toISOString());
    for (const id of old) await this.drop(id);
    return old.length;
  }

  /** Removes the files of no row and of no upload that is to be finished, which a crash left. Only before requests are taken. */
  async removeOrphans(): Promise<void> {
    const { catalogue, vault } = this.#ports;
    const known = new Set<string | null | undefined>(await catalogue.changeLists.ids());
    for (const { kind, metadata } of await catalogue.uploads.unfinished())
      if (kind === 'change-list') known.add(metadata.id);
    for (const id of await vault.lists(catalogue.device)) {
      if (!known.has(id)) await vault.dropList(catalogue.device, id);
    }
  }
}
