// All of one device into a copy: its packs, what is known of it, its version objects in their order, so that what is there is whole at
// any moment.
import { lstat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { sameBytes } from '../../shared/byte-codec.ts';
import { Failure } from '../../shared/failure.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import type { PackRow } from '../catalogue/pack-rows.ts';
import { codeOf } from '../disk-failure.ts';
import { recountWhereDue } from '../healing/damage.ts';
import type { ReceiptSigner } from '../receipt-key.ts';
import { type FileVault, packPath, versionPath } from '../vault/file.ts';
import { decodeVersion } from '../version/version-object.ts';
import { hashOf, type PackCopier } from './copy-pack.ts';
import type { SourceCatalogue } from './source-catalogue.ts';

export interface CopyPorts {
  readonly source: { readonly root: string; readonly vault: FileVault; readonly catalogue: SourceCatalogue };
  readonly target: { readonly root: string; readonly vault: FileVault };
  readonly signer: ReceiptSigner;
  readonly copier: PackCopier;
  /** Read what is there already, too, and copy it again where it is not what it should be. */
  readonly check: boolean;
  /** Told of bytes that were written, or needed no writing. */
  readonly told: (bytes: number) => void;
}

export interface CopiedDevice {
  readonly versions: number;
  readonly packs: number;
  /** Of packs and version objects. */
  readonly bytes: number;
  /** Objects that were copied and those that were there, and the bytes of the first. */
  readonly copied: number;
  readonly copiedBytes: number;
  readonly skipped: number;
  /** Packs that the server itself knows as lost. */
  readonly lost: readonly string[];
  readonly failed: readonly CopyTrouble[];
}

export interface CopyTrouble {
  readonly device: string;
  /** A pack id, or `sequence-version`. */
  readonly what: string;
  readonly message: string;
}

/** Rows read at a time. */
const AT_ONCE = 500;
/** A pack that is missing may be marked as lost only a moment later, or be just coming back. */
const TRIES = 4;
const BETWEEN_TRIES_MS = 250;
const REPAIR = 'run `mailferry server verify --repair` on the server.';

/** Bytes that copyDevice() would write for these rows: what the target has of the right length counts as there. */
export async function bytesToCopy(rows: DeviceCatalogue, { source, target }: CopyPorts): Promise<number> {
  const { device } = rows;
  let bytes = 0;
  for await (const pack of packsOf(rows)) {
    if ((await plainSize(packPath(target.root, device, pack.id))) !== pack.stored) bytes += pack.stored;
  }
  for await (const { sequence, id } of placesOf(rows)) {
    const from = await statOf(versionPath(source.root, device, sequence, id));
    const to = await statOf(versionPath(target.root, device, sequence, id));
    if (from && !isSame(from, to)) bytes += from.size;
  }
  return bytes;
}

/**
 * Copies what `rows`, the copied catalogue, refer to. What is missing is marked as lost in `rows`. Idempotent: what is there already
 * is not copied again. Failures are the disk's; objects that can't be had are named in the answer.
 */
export async function copyDevice(rows: DeviceCatalogue, ports: CopyPorts): Promise<CopiedDevice> {
  return new DeviceCopy(rows, ports).run();
}

class DeviceCopy {
  readonly #rows: DeviceCatalogue;
  readonly #ports: CopyPorts;
  readonly #lost: string[] = [];
  readonly #failed: CopyTrouble[] = [];
  #versions = 0;
  #packs = 0;
  #bytes = 0;
  #copied = 0;
  #copiedBytes = 0;
  #skipped = 0;

  constructor(rows: DeviceCatalogue, ports: CopyPorts) {
    this.#rows = rows;
    this.#ports = ports;
  }

  async run(): Promise<CopiedDevice> {
    const staging = await this.#ports.target.vault.stagingDirectory(this.#rows.device);
    for await (const pack of packsOf(this.#rows)) await this.#pack(pack, staging);
    await recountWhereDue(this.#rows);
    await this.#known();
    for await (const place of placesOf(this.#rows)) await this.#version(place);
    return {
      versions: this.#versions,
      packs: this.#packs,
      bytes: this.#bytes,
      copied: this.#copied,
      copiedBytes: this.#copiedBytes,
      skipped: this.#skipped,
      lost: this.#lost,
      failed: this.#failed,
    };
  }

  async #pack(pack: PackRow, staging: string): Promise<void> {
    const { source, target, check, copier, told } = this.#ports;
    const { device } = this.#rows;
    const { id, stored: bytes } = pack;
    this.#packs++;
    const final = packPath(target.root, device, id);
    const isThere = (await plainSize(final)) === bytes && (!check || (await hashOf(final, bytes)) === id);
    if (isThere) return this.#done(bytes, false);
    const name = `copy-${id}`;
    for (let tries = TRIES; ; tries--) {
      const found = await copier.copy(
        packPath(source.root, device, id),
        join(staging, name),
        { id, bytes },
        told,
      );
      if (found === 'copied') break;
      if (source.catalogue.isLostNow(device, id)) {
        this.#lost.push(id);
        return this.#lose(id);
      }
      if (tries > 1) {
        await wait(BETWEEN_TRIES_MS);
        continue;
      }
      this.#trouble(id, `Pack ${id} ${WHY[found]}, and the server does not know: ${REPAIR}`);
      return this.#lose(id);
    }
    await target.vault.publish(device, name, id);
    this.#done(bytes, true);
  }

  /** The copy says what it lacks, so that nothing in it is taken for whole. */
  #lose(id: string): Promise<void> {
    this.#packs--;
    return this.#rows.packs.lose(id);
  }

  /** What lets the device in after the catalogue was lost. Where it is missing, a start writes it anew. */
  async #known(): Promise<void> {
    const { source, target } = this.#ports;
    const { device } = this.#rows;
    const [from, to] = await Promise.all([source.vault.readDevice(device), target.vault.readDevice(device)]);
    if (from && !(to && sameBytes(from, to))) await target.vault.putDevice(device, from);
  }

  async #version({ sequence, id }: { sequence: number; id: string }): Promise<void> {
    const { source, target, signer, check, told } = this.#ports;
    const { device } = this.#rows;
    this.#versions++;
    const final = versionPath(target.root, device, sequence, id);
    const from = await statOf(versionPath(source.root, device, sequence, id));
    if (from && !check && isSame(from, await statOf(final))) return this.#done(from.size, false);
    let bytes: Uint8Array;
    try {
      if (!from) throw new Failure('not_found', 'The vault has no such version.');
      bytes = await source.vault.readVersion(device, sequence, id);
      decodeVersion(bytes, { device, sequence, id }, signer);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      // What an earlier backup copied is better than what is there now.
      const message = `The file of version ${id} is damaged or missing: ${REPAIR}`;
      this.#trouble(`${sequence}-${id}`, message);
      return;
    }
    await target.vault.putVersion(device, sequence, id, bytes);
    // By size and time a later backup knows that it is the same file.
    await utimes(final, from.mtime, from.mtime);
    told(bytes.length);
    this.#done(bytes.length, true);
  }

  #done(bytes: number, isCopied: boolean): void {
    this.#bytes += bytes;
    if (!isCopied) this.#skipped++;
    else {
      this.#copied++;
      this.#copiedBytes += bytes;
    }
  }

  #trouble(what: string, message: string): void {
    this.#failed.push({ device: this.#rows.device, what, message });
  }
}

const WHY = {
  missing: 'is missing on the server',
  damaged: 'is damaged on the server',
  link: 'is a symbolic link on the server',
} as const;

/** The packs that should be there. */
async function* packsOf(rows: DeviceCatalogue): AsyncGenerator<PackRow> {
  for (let after = 0; ; ) {
    const page = await rows.packs.page(after, AT_ONCE);
    for (const pack of page) {
      after = pack.row;
      if (pack.lost === 0) yield pack;
    }
    if (page.length < AT_ONCE) return;
  }
}

async function* placesOf(rows: DeviceCatalogue): AsyncGenerator<{ sequence: number; id: string }> {
  for (let after = 0; ; ) {
    const page = await rows.versions.placesAfter(after, AT_ONCE);
    for (const place of page) {
      after = place.sequence;
      yield place;
    }
    if (page.length < AT_ONCE) return;
  }
}

interface FileFacts {
  readonly size: number;
  readonly mtime: Date;
}

/** utimes keeps microseconds at best; a file that was written anew differs by more. */
const SAME_MS = 2;

function isSame(from: FileFacts, to: FileFacts | undefined): boolean {
  return to?.size === from.size && Math.abs(to.mtime.getTime() - from.mtime.getTime()) < SAME_MS;
}

/** A plain file's; undefined for anything else and where there is nothing. */
async function statOf(path: string): Promise<FileFacts | undefined> {
  try {
    const found = await lstat(path);
    return found.isFile() ? found : undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function plainSize(path: string): Promise<number | undefined> {
  return (await statOf(path))?.size;
}
