// The bytes of a store on disk: positional reads and writes through one descriptor, and a count of what was written.
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

/** Unbuffered on purpose: 230,000 small writes a GiB take two seconds, and the system's page cache gathers them. */
export class StoreFile {
  #descriptor: number | undefined;
  bytesWritten = 0;

  create(path: string): void {
    this.#descriptor = openSync(path, 'w+');
  }

  open(path: string): void {
    this.#descriptor = openSync(path, 'r+');
  }

  close(): void {
    closeSync(this.#opened());
    this.#descriptor = undefined;
  }

  resize(length: number): void {
    ftruncateSync(this.#opened(), length);
  }

  write(at: number, bytes: Buffer): void {
    let done = 0;
    while (done < bytes.length)
      done += writeSync(this.#opened(), bytes, done, bytes.length - done, at + done);
    this.bytesWritten += bytes.length;
  }

  read(at: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    const got = readSync(this.#opened(), bytes, 0, length, at);
    if (got !== length) throw new Error(`read ${got} of ${length} bytes at ${at}`);
    return bytes;
  }

  #opened(): number {
    if (this.#descriptor === undefined) throw new Error('the store file is not open');
    return this.#descriptor;
  }
}
