// Fingerprints on disk: records (shared/fingerprint.ts) one after another, read and written in step with the source.
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { COARSE } from '../../shared/block.ts';
import { RECORD_BYTES } from '../../shared/fingerprint.ts';

/** Records worked on at a time: those of a slot of the scan. */
export const BATCH = (2 * 1_048_576) / COARSE;
/** Records are read, and gathered to writes, so many batches at once: each call to the disk costs more than what it brings. */
const IO_BYTES = 4 * BATCH * RECORD_BYTES;
/** Writes that may wait while the disk is busy, such as with a sync of this very file: those of 128 MiB of source. */
const BEHIND_BYTES = 16 * IO_BYTES;

/** Reads a fingerprint from its beginning; its digest is known at the end. */
export class FingerprintReader {
  readonly #file: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  #at = 0;
  /** Of what was read, what next() has not given yet. */
  #unread: Buffer = Buffer.alloc(0);

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(path: string): Promise<FingerprintReader> {
    return new FingerprintReader(await open(path, 'r'));
  }

  /** The next batch of records; fewer, or none, at the end. One call at a time. */
  async next(): Promise<Buffer> {
    if (this.#unread.length === 0) await this.#readOn();
    const batch = this.#unread.subarray(0, BATCH * RECORD_BYTES);
    this.#unread = this.#unread.subarray(batch.length);
    return batch;
  }

  async #readOn(): Promise<void> {
    const buffer = Buffer.allocUnsafe(IO_BYTES);
    const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.#at);
    this.#unread = buffer.subarray(0, bytesRead - (bytesRead % RECORD_BYTES));
    this.#at += this.#unread.length;
    this.#hash.update(this.#unread);
  }

  /** SHA-256 of the whole file in hexadecimal; reads what was not read yet. */
  async digest(): Promise<string> {
    while ((await this.next()).length > 0);
    return this.#hash.copy().digest('hex');
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Writes a fingerprint from its beginning; what sync() returned for is on the disk. */
export class FingerprintWriter {
  readonly #file: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  #buffer = Buffer.allocUnsafe(IO_BYTES);
  #buffered = 0;
  #position = 0;
  /** Writes one after another, whoever asks for them; the first that fails fails all after it. */
  #writes: Promise<void> = Promise.resolve();
  /** Bytes of writes that were asked for and are not done. */
  #behind = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** A new file at `path`; what was there is cut to nothing. */
  static async create(path: string): Promise<FingerprintWriter> {
    return new FingerprintWriter(await open(path, 'w', 0o600));
  }

  /** Appends whole records, which are copied. A write that fails is told here or by sync() or finish(), whichever comes first. */
  async append(records: Uint8Array): Promise<void> {
    if (this.#buffered + records.length > IO_BYTES) void this.#flush();
    this.#buffer.set(records, this.#buffered);
    this.#buffered += records.length;
    if (this.#behind > BEHIND_BYTES) await this.#writes;
  }

  #flush(): Promise<void> {
    const bytes = this.#buffer.subarray(0, this.#buffered);
    const position = this.#position;
    this.#buffer = Buffer.allocUnsafe(IO_BYTES);
    this.#buffered = 0;
    this.#position += bytes.length;
    this.#hash.update(bytes);
    this.#behind += bytes.length;
    this.#writes = this.#writes.then(async () => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, position + done);
        done += bytesWritten;
      }
      this.#behind -= bytes.length;
    });
    // Whoever comes next is told.
    this.#writes.catch(() => {});
    return this.#writes;
  }

  async sync(): Promise<void> {
    await this.#flush();
    await this.#file.datasync();
  }

  /** Everything on the disk; SHA-256 of the whole file in hexadecimal. */
  async finish(): Promise<string> {
    await this.#flush();
    await this.#file.sync();
    await this.#file.close();
    return this.#hash.digest('hex');
  }

  /** Closes without a promise: for a draft that is thrown away. */
  async abandon(): Promise<void> {
    await this.#writes.catch(() => {});
    await this.#file.close().catch(() => {});
  }
}

/** Coarse hashes (32 bytes each) that came from the server, as records that know nothing else. */
export function recordsOfHashes(hashes: Uint8Array): Uint8Array {
  const records = new Uint8Array((hashes.length / 32) * RECORD_BYTES);
  for (let index = 0; index * 32 < hashes.length; index++) {
    records.set(hashes.subarray(index * 32, index * 32 + 32), index * RECORD_BYTES + 16);
  }
  return records;
}
