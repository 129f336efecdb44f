// Writes what arrives to a file as it arrives: what came before a cut is kept, what is on its way is bounded.
import { type FileHandle, open } from 'node:fs/promises';

/** Bytes that may wait while a write is under way; on a fast line writes grow to this by themselves. */
const MOST_WAITING = 1_048_576;

/**
 * Writes `stream` to the existing file at `path` from `offset` on and returns the offset reached. Where the stream
 * breaks, everything that had arrived is written first, then the stream's error is thrown. `written` is told each new
 * offset after it was handed to the system; it is no statement of durability.
 */
export async function writeStreamToFile(
  stream: AsyncIterable<Uint8Array>,
  path: string,
  offset: number,
  written: (offset: number) => void,
): Promise<number> {
  const file = await open(path, 'r+');
  try {
    const tail = new FileTail(file, offset, written);
    try {
      for await (const chunk of stream) await tail.add(chunk);
    } finally {
      await tail.drain();
    }
    return tail.offset;
  } finally {
    await file.close();
  }
}

/** Gathers what comes while a write is under way into the next one: small writes on a slow line, large on a fast one. */
class FileTail {
  offset: number;
  readonly #file: FileHandle;
  readonly #written: (offset: number) => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #failed: unknown;

  constructor(file: FileHandle, offset: number, written: (offset: number) => void) {
    this.#file = file;
    this.offset = offset;
    this.#written = written;
  }

  async add(chunk: Uint8Array): Promise<void> {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    this.#writing ??= this.#writeAll();
    if (this.#waitingBytes >= MOST_WAITING) await this.drain();
    else if (this.#failed) throw this.#failed;
  }

  /** Resolves when all that was added is written; rejects where a write failed. */
  async drain(): Promise<void> {
    await this.#writing;
    if (this.#failed) throw this.#failed;
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const chunks = this.#waiting;
        this.#waiting = [];
        this.#waitingBytes = 0;
        await this.#write(chunks);
        this.#written(this.offset);
      }
    } catch (error) {
      this.#failed = error;
    } finally {
      this.#writing = undefined;
    }
  }

  async #write(chunks: Uint8Array[]): Promise<void> {
    let rest = chunks;
    while (rest.length > 0) {
      const { bytesWritten } = await this.#file.writev(rest, this.offset);
      this.offset += bytesWritten;
      rest = dropFirst(rest, bytesWritten);
    }
  }
}

/** `chunks` without their first `count` bytes; none where that is all. */
function dropFirst(chunks: Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  for (const [index, chunk] of chunks.entries()) {
    if (left < chunk.length) return [chunk.subarray(left), ...chunks.slice(index + 1)];
    left -= chunk.length;
  }
  return [];
}
