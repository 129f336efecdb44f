// The vault as it would be had its author forgotten to fsync the file before the rename.
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory, syncDirectory } from '../../../server/durable-file.ts';
import { FileVault as TrueVault } from '../../../server/vault/file.ts';

export * from '../../../server/vault/file.ts';

export class FileVault extends TrueVault {
  readonly #place: string;

  constructor(root: string) {
    super(root);
    this.#place = root;
  }

  override async publish(device: string, upload: string, id: string): Promise<void> {
    const directory = join(this.#place, device, 'packs', id.slice(0, 2));
    await makeDirectory(this.#place, directory);
    await rename(join(this.#place, device, 'uploads', upload), join(directory, id));
    await syncDirectory(directory);
  }
}
