// The vault on a file system: everything is written aside, fsynced, renamed into place, and its directory fsynced.
import { access, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { codeOf } from '../disk-failure.ts';
import { makeDirectory, syncDirectory, writeDurably } from '../durable-file.ts';
import { OpenFiles } from '../open-files.ts';
import type { Vault } from './vault.ts';

/*
 * <root>/enrolling/<device>-<mark>.json               what is to be known of a device whose row is not written yet
 * <root>/<device>/device.json                         what is known of the device
 * <root>/<device>/uploads/<upload>                    in progress; the same file system, so that a rename moves it
 * <root>/<device>/packs/<first 2 digits>/<pack>       published
 * <root>/<device>/lists/<change list>                 published, until a version holds what it says
 * <root>/<device>/damaged/<pack>                      found not to be what its name says, and kept for a person to look at
 * <root>/<device>/versions/<sequence>-<version>.json  published; the sequence in 12 digits, so that names sort
 */

/** Enough for the packs that a day's version is spread over; more would only be descriptors held. */
const FILES_OPEN = 16;
const DEVICE_NAME = /^[0-9a-f]{32}$/;
const DEVICE_OBJECT = 'device.json';
const STAGED = 'enrolling';
const STAGED_NAME = /^([0-9a-f]{32})-([0-9a-f]{16})\.json$/;
/** Of packs and of change lists. */
const PACK_NAME = /^[0-9a-f]{64}$/;
const VERSION_NAME = /^(\d{12})-([0-9a-f-]{36})\.json$/;

export class FileVault implements Vault {
  readonly #root: string;
  readonly #files = new OpenFiles(FILES_OPEN);
  /** Directories that this process knows to be durable. */
  readonly #made = new Set<string>();

  /** `root` need not exist yet; it is made, durably, when the first device needs it. */
  constructor(root: string) {
    this.#root = root;
  }

  async stagingDirectory(device: string): Promise<string> {
    const directory = join(this.#root, device, 'uploads');
    await this.#make(directory);
    await this.#make(join(this.#root, device, 'versions'));
    return directory;
  }

  publish(device: string, upload: string, id: string): Promise<void> {
    return this.#publish(device, upload, this.#packDirectory(device, id), id);
  }

  publishList(device: string, upload: string, id: string): Promise<void> {
    return this.#publish(device, upload, this.#listDirectory(device), id);
  }

  async readList(device: string, id: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.#listDirectory(device), id));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async dropList(device: string, id: string): Promise<void> {
    await rm(join(this.#listDirectory(device), id), { force: true });
  }

  async lists(device: string): Promise<string[]> {
    return (await namesIn(this.#listDirectory(device))).filter((name) => PACK_NAME.test(name));
  }

  async #publish(device: string, upload: string, directory: string, id: string): Promise<void> {
    const staged = join(this.#root, device, 'uploads', upload);
    const target = join(directory, id);
    await this.#make(directory);
    if (!(await exists(staged)) && (await exists(target))) {
      // Its name may be new and its directory not yet synced, where a crash came between.
      await syncFile(target);
      await syncDirectory(directory);
      return;
    }
    await syncFile(staged);
    // Over one that is there already: that one may have rotted, this one was just checked.
    await rename(staged, target);
    await syncDirectory(directory);
    this.#files.forget(target);
  }

  async setAside(device: string, id: string): Promise<void> {
    const directory = this.#packDirectory(device, id);
    const aside = join(this.#root, device, 'damaged');
    await this.#make(aside);
    try {
      await rename(join(directory, id), join(aside, id));
      await syncDirectory(aside);
      await syncDirectory(directory);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    this.#files.forget(join(directory, id));
  }

  async readPack(device: string, id: string, position: number, into: Uint8Array): Promise<void> {
    const path = join(this.#packDirectory(device, id), id);
    try {
      await this.#files.with(
        path,
        () => open(path, 'r'),
        async (file) => {
          for (let done = 0; done < into.length; ) {
            const { bytesRead } = await file.read(into, done, into.length - done, position + done);
            if (bytesRead === 0) throw damaged(id, 'is shorter than it was');
            done += bytesRead;
          }
        },
      );
    } catch (cause) {
      if (codeOf(cause) !== 'ENOENT') throw cause;
      throw damaged(id, 'is missing on the server', cause);
    }
  }

  async hasPack(device: string, id: string): Promise<boolean> {
    return (await this.packBytes(device, id)) !== undefined;
  }

  async packBytes(device: string, id: string): Promise<number | undefined> {
    try {
      return (await stat(join(this.#packDirectory(device, id), id))).size;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async putVersion(device: string, sequence: number, id: string, body: Uint8Array): Promise<void> {
    const directory = join(this.#root, device, 'versions');
    await this.#make(directory);
    await writeDurably(directory, versionName(sequence, id), body);
  }

  async versions(device: string): Promise<{ sequence: number; id: string }[]> {
    const names = await namesIn(join(this.#root, device, 'versions'));
    return names
      .sort()
      .map((name) => VERSION_NAME.exec(name))
      .filter((match) => match !== null)
      .map((match) => ({ sequence: Number(match[1]), id: match[2]! }));
  }

  async readVersion(device: string, sequence: number, id: string): Promise<Uint8Array> {
    try {
      return await readFile(join(this.#root, device, 'versions', versionName(sequence, id)));
    } catch (cause) {
      if (codeOf(cause) !== 'ENOENT') throw cause;
      throw new Failure('not_found', 'The vault has no such version.', { cause });
    }
  }

  async versionBytes(device: string): Promise<number> {
    const directory = join(this.#root, device, 'versions');
    let bytes = 0;
    for (const name of await namesIn(directory)) {
      const file = await stat(join(directory, name)).catch(() => undefined);
      bytes += file?.size ?? 0;
    }
    return bytes;
  }

  async devices(): Promise<string[]> {
    return (await namesIn(this.#root)).filter((name) => DEVICE_NAME.test(name)).sort();
  }

  async putDevice(device: string, body: Uint8Array): Promise<void> {
    const directory = join(this.#root, device);
    await this.#make(directory);
    await writeDurably(directory, DEVICE_OBJECT, body);
  }

  async readDevice(device: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.#root, device, DEVICE_OBJECT));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async stageDevice(device: string, mark: string, body: Uint8Array): Promise<void> {
    const directory = join(this.#root, STAGED);
    await this.#make(directory);
    await writeDurably(directory, stagedName(device, mark), body);
  }

  async publishDevice(device: string, mark: string): Promise<void> {
    const directory = join(this.#root, device);
    await this.#make(directory);
    try {
      await rename(join(this.#root, STAGED, stagedName(device, mark)), join(directory, DEVICE_OBJECT));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    await syncDirectory(directory);
  }

  async dropStagedDevice(device: string, mark: string): Promise<void> {
    await rm(join(this.#root, STAGED, stagedName(device, mark)), { force: true });
  }

  async stagedDevices(): Promise<{ device: string; mark: string }[]> {
    const directory = join(this.#root, STAGED);
    const staged: { device: string; mark: string }[] = [];
    for (const name of await namesIn(directory)) {
      const match = STAGED_NAME.exec(name);
      if (match) staged.push({ device: match[1]!, mark: match[2]! });
      else if (name.endsWith('.tmp')) await rm(join(directory, name), { force: true });
    }
    return staged;
  }

  async *packs(device: string): AsyncGenerator<{ id: string; stored: number }> {
    const directory = join(this.#root, device, 'packs');
    for (const part of await namesIn(directory)) {
      for (const id of await namesIn(join(directory, part))) {
        if (!PACK_NAME.test(id) || !id.startsWith(part)) continue;
        const { size } = await stat(join(directory, part, id));
        yield { id, stored: size };
      }
    }
  }

  async sweep(device: string): Promise<void> {
    const directory = join(this.#root, device, 'versions');
    for (const name of await namesIn(directory)) {
      if (name.endsWith('.tmp')) await rm(join(directory, name), { force: true });
    }
  }

  async freeBytes(): Promise<number> {
    await this.#make(this.#root);
    const { bavail, bsize } = await statfs(this.#root);
    return bavail * bsize;
  }

  close(): Promise<void> {
    return this.#files.close();
  }

  async #make(directory: string): Promise<void> {
    if (this.#made.has(directory)) return;
    await makeDirectory(this.#root, directory);
    this.#made.add(directory);
  }

  #listDirectory(device: string): string {
    return join(this.#root, device, 'lists');
  }

  #packDirectory(device: string, id: string): string {
    return join(this.#root, device, 'packs', id.slice(0, 2));
  }
}

/** Where a published pack lies below the root of a vault. */
export function packPath(root: string, device: string, id: string): string {
  return join(root, device, 'packs', id.slice(0, 2), id);
}

/** Where the object of a version lies below the root of a vault. */
export function versionPath(root: string, device: string, sequence: number, id: string): string {
  return join(root, device, 'versions', versionName(sequence, id));
}

function damaged(pack: string, what: string, cause?: unknown): Failure {
  return new Failure('pack_damaged', `Pack ${pack} ${what}.`, { cause, detail: { pack } });
}

function versionName(sequence: number, id: string): string {
  return `${String(sequence).padStart(12, '0')}-${id}.json`;
}

function stagedName(device: string, mark: string): string {
  return `${device}-${mark}.json`;
}

async function syncFile(path: string): Promise<void> {
  // Windows flushes only through a handle that may write.
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}
