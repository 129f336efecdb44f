// Writes the body of a request to a file as it arrives: what came before a cut is kept, what is on its way is bounded.
import { type FileHandle, open } from 'node:fs/promises';
import { finished, type Readable } from 'node:stream';
import { ERRORS } from '@tus/server';
import { collectSoon } from '../../shared/collect-soon.ts';

/** Most bytes in one write. On a fast line writes grow to this by themselves; on a slow one they are what just came. */
const WRITE_BYTES = 262_144;
/**
 * After so many bytes the system is asked to bring them to the disk, while at most as many more are written: a power cut costs an
 * upload little more than twice this. They have to get there before the upload is answered for anyway.
 */
const SYNC_BYTES = 1_048_576;
/**
 * Of a body the first so many are brought there, then of each next step twice as many, up to SYNC_BYTES: at most 1.25 MiB are written
 * before any is safe, whatever time the disk takes: a larger upload is never lost as a whole when the power goes.
 */
const FIRST_SYNC_BYTES = 262_144;
/** Buffers kept for the next upload. An upload has two while its bytes come faster than the disk takes them. */
const KEPT = 8;

export interface BodyPlace {
  /** An existing file. */
  readonly path: string;
  /** Where the body begins in it. */
  readonly offset: number;
  /** Where it has to end at the latest. */
  readonly end: number;
  /** Aborted where the rest of the body is not wanted any more. */
  readonly signal: AbortSignal;
  /** Told each new offset after it was handed to the system; that is no statement of durability. */
  readonly written: (offset: number) => void;
}

/**
 * Writes `body` to its place and returns the offset reached, at its end or when the signal is aborted. Where the body breaks,
 * everything that had arrived is written first, then `ABORTED` of tus is thrown; `ERR_SIZE_EXCEEDED` where it is too long; a
 * failure of the disk as it is.
 */
export async function writeBody(body: Readable, place: BodyPlace): Promise<number> {
  const file = await open(place.path, 'r+');
  try {
    const tail = new FileTail(file, place);
    try {
      await receive(body, tail, place.signal);
    } finally {
      await tail.atRest();
    }
    return tail.offset;
  } finally {
    await file.close();
  }
}

/** Hands the body to `tail`, chunk after chunk; resolves at its end or at the signal. The body is left where it is, not destroyed. */
function receive(body: Readable, tail: FileTail, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      body.off('data', onData);
      body.pause();
      signal.removeEventListener('abort', onAbort);
      forget();
      end();
    };
    const fail = (error: unknown): void => settle(() => reject(error));
    const onAbort = (): void => settle(resolve);
    const onData = (chunk: Buffer): void => {
      const full = tail.add(chunk);
      if (!full) return;
      body.pause();
      full.then(() => signal.aborted || body.resume(), fail);
    };
    const forget = finished(body, { writable: false }, (error) =>
      error ? fail(ERRORS.ABORTED) : settle(resolve),
    );
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    body.on('data', onData);
  });
}

const spare: Uint8Array[] = [];

/**
 * Chunks are copied into a few buffers and let go at once: held until they are written they grow old, and V8 looks through the whole
 * heap for them again and again (a first backup of 1 GiB: 70 times, a third of the server's time).
 */
class FileTail {
  offset: number;
  readonly #file: FileHandle;
  readonly #place: BodyPlace;
  #filling: Uint8Array | undefined;
  #filled = 0;
  /** Bytes that had arrived and were too much for the buffer. */
  #rest: Uint8Array | undefined;
  #received: number;
  #writing: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #syncedTo: number;
  /** Bytes until the next sync. */
  #step = FIRST_SYNC_BYTES;
  #failed: { readonly error: unknown } | undefined;

  constructor(file: FileHandle, place: BodyPlace) {
    this.#file = file;
    this.#place = place;
    this.offset = place.offset;
    this.#received = place.offset;
    this.#syncedTo = place.offset;
  }

  /** Takes a chunk; where that was more than there is room for, what resolves when there is room again. */
  add(chunk: Uint8Array): Promise<void> | undefined {
    this.#received += chunk.length;
    if (this.#received > this.#place.end) return Promise.reject(ERRORS.ERR_SIZE_EXCEEDED);
    this.#rest = this.#fill(chunk);
    collectSoon(chunk.length);
    this.#writing ??= this.#writeAll();
    return this.#rest || this.#failed ? this.drain() : undefined;
  }

  /** Resolves when all that was taken is written; rejects where a write failed. */
  async drain(): Promise<void> {
    await this.#writing;
    if (this.#failed) throw this.#failed.error;
  }

  /** Resolves when nobody works on the file any more; rejects where anything failed. */
  async atRest(): Promise<void> {
    await this.#writing;
    await this.#syncing;
    if (this.#failed) throw this.#failed.error;
  }

  async #syncNowAndThen(): Promise<void> {
    if (this.offset - this.#syncedTo < this.#step) return;
    await this.#syncing;
    this.#syncedTo = this.offset;
    this.#step = Math.min(2 * this.#step, SYNC_BYTES);
    this.#syncing = this.#file
      .datasync()
      .catch((error) => {
        this.#failed ??= { error };
      })
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  /** Copies what there is room for; gives back what there is none for. */
  #fill(chunk: Uint8Array): Uint8Array | undefined {
    this.#filling ??= spare.pop() ?? new Uint8Array(WRITE_BYTES);
    const part = chunk.subarray(0, WRITE_BYTES - this.#filled);
    this.#filling.set(part, this.#filled);
    this.#filled += part.length;
    return part.length < chunk.length ? chunk.subarray(part.length) : undefined;
  }

  async #writeAll(): Promise<void> {
    // What else has arrived by now is given out in this turn of the event loop, and goes into the same write.
    await new Promise(setImmediate);
    try {
      while (this.#filling) {
        const buffer = this.#filling;
        const length = this.#filled;
        this.#filling = undefined;
        this.#filled = 0;
        if (this.#rest) this.#rest = this.#fill(this.#rest);
        await this.#write(buffer.subarray(0, length));
        if (spare.length < KEPT) spare.push(buffer);
        this.#place.written(this.offset);
        await this.#syncNowAndThen();
      }
    } catch (error) {
      this.#failed = { error };
    } finally {
      this.#writing = undefined;
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.offset);
      done += bytesWritten;
      this.offset += bytesWritten;
    }
  }
}
