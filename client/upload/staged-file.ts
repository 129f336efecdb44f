// A pack in staging as tus-js-client reads it: one open file, slices that are read only when they can be sent.
import { type FileHandle, open } from 'node:fs/promises';
import type { FileReader, FileSource } from 'tus-js-client';
import { Failure } from '../../shared/failure.ts';
import type { BodySource } from '../http/http-client.ts';

/** Where a pack lies and how long it was when it was sealed. */
export interface StagedPack {
  readonly path: string;
  readonly bytes: number;
}

/** The part of a pack that goes into one request. */
class Slice implements BodySource {
  readonly #file: FileHandle;
  readonly #from: number;
  readonly length: number;
  /** The name by which tus-js-client knows the length. */
  readonly size: number;

  constructor(file: FileHandle, from: number, to: number) {
    this.#file = file;
    this.#from = from;
    this.length = to - from;
    this.size = this.length;
  }

  async read(at: number, most: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafe(Math.min(most, this.length - at));
    const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.#from + at);
    // A file that shrank would leave a request that can't be ended and is never answered.
    if (bytesRead === 0) throw new Failure('pack_damaged', 'A pack in staging became shorter.');
    return buffer.subarray(0, bytesRead);
  }
}

export function isBody(value: unknown): value is BodySource {
  return value instanceof Slice;
}

/** Opens packs for tus-js-client; a Failure `pack_damaged` where the file is not as long as it was sealed. */
export const stagedFiles: FileReader = {
  async openFile(input: StagedPack): Promise<FileSource> {
    let file: FileHandle;
    try {
      file = await open(input.path, 'r');
    } catch (cause) {
      throw new Failure('pack_damaged', `The pack ${input.path} can't be opened.`, { cause });
    }
    const { size } = await file.stat();
    if (size !== input.bytes) {
      await file.close();
      throw new Failure(
        'pack_damaged',
        `The pack ${input.path} has ${size} bytes instead of ${input.bytes}.`,
      );
    }
    return {
      size,
      slice: async (start, end) => {
        const to = Math.min(end, size);
        return { value: to > start ? new Slice(file, start, to) : null, done: to >= size };
      },
      close: () => void file.close().catch(() => {}),
    };
  },
};
