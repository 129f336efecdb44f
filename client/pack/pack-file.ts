// Writes one pack file: frames as they come, then the tail; sealed under its final name only when it is on the disk.
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { platform } from 'node:os';
import { dirname } from 'node:path';
import { CODECS, type Frame, frameHash, packHeader, packTail } from '../../shared/pack.ts';
import { sha256 } from '../fingerprint/block-hashes.ts';
import { patientlySync } from '../patiently.ts';
import { COMPRESS } from './compress.ts';
import type { FrameSettings } from './frame-settings.ts';
import { looksLikeNoise } from './looks-like-noise.ts';

export interface SealedPack {
  /** SHA-256 of the file in hexadecimal: the pack's id. */
  readonly id: string;
  /** Bytes of the file. */
  readonly bytes: number;
  readonly rawBytes: number;
}

/** Frames are gathered to writes of at most this many bytes: what the buffer that PackFile is lent holds. */
export const WRITE_BYTES = 1_048_576;

/** Synchronous, since it lives in a worker of its own (packer-worker.ts), where waiting is free. */
export class PackFile {
  readonly #path: string;
  readonly #file: number;
  readonly #hash = createHash('sha256');
  readonly #frames: Frame[] = [];
  readonly #buffer: Uint8Array;
  #buffered = 0;
  #bytes = 0;
  #rawBytes = 0;

  /**
   * A new file beside `path`; it gets that name in seal(). `buffer`: WRITE_BYTES that nobody else uses until then; frames are copied
   * into it, so that what the compressor made of them can be let go at once.
   */
  constructor(path: string, buffer: Uint8Array) {
    this.#path = path;
    this.#buffer = buffer;
    this.#file = openSync(`${path}.new`, 'w', 0o600);
    this.#write(packHeader());
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Appends a frame. `pieces`: the SHA-256 of its 64 KiB pieces, one after another, where they are known. */
  add(raw: Uint8Array, settings: FrameSettings, pieces: Uint8Array | undefined): void {
    const packed = settings.skipNoise && looksLikeNoise(raw) ? raw : COMPRESS[settings.codec](raw, settings);
    const worth = packed.length < raw.length * settings.worthwhile;
    const stored = worth ? packed : raw;
    this.#frames.push({
      rawLength: raw.length,
      storedLength: stored.length,
      codec: worth ? settings.codec : CODECS.stored,
      hash: frameHash(raw, sha256, pieces),
    });
    this.#rawBytes += raw.length;
    this.#write(stored);
  }

  #write(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
    if (this.#buffered + bytes.length > this.#buffer.length) this.#flush();
    if (bytes.length > this.#buffer.length) {
      this.#writeNow(bytes);
    } else {
      this.#buffer.set(bytes, this.#buffered);
      this.#buffered += bytes.length;
    }
  }

  #flush(): void {
    this.#writeNow(this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }

  #writeNow(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done, bytes.length - done);
  }

  /** The tail, then the file and its name on the disk. */
  seal(): SealedPack {
    this.#write(packTail(this.#frames, sha256));
    this.#flush();
    fsyncSync(this.#file);
    closeSync(this.#file);
    patientlySync(() => renameSync(`${this.#path}.new`, this.#path));
    syncDirectorySync(dirname(this.#path));
    return { id: this.#hash.digest('hex'), bytes: this.#bytes, rawBytes: this.#rawBytes };
  }

  /** Throws the file away. */
  abandon(): void {
    closeSync(this.#file);
    // Whoever cleaned up the folder meanwhile may have been quicker.
    rmSync(`${this.#path}.new`, { force: true });
  }
}

function syncDirectorySync(path: string): void {
  // Windows can't open directories; NTFS keeps names in a journal of its own.
  if (platform() === 'win32') return;
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
