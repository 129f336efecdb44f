// A pack in staging as tus-js-client reads it: one open file, slices that are read only when they can be sent.
import { type FileHandle, open } from 'node:fs/promises';
import type { FileReader, FileSource } from 'tus-js-client';
import { Failure } from '../../shared/failure.ts';
import type { BodySource } from '../http/send-body.ts';

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

  async read(at: number, into: Uint8Array): Promise<number> {
    const most = Math.min(into.length, this.length - at);
    const { bytesRead } = await this.#file.read(into, 0, most, this.#from + at);
    // A file that shrank would leave a request that can't be ended and is never answered.
    if (bytesRead === 0) throw new Failure('pack_damaged', 'A pack in staging became shorter.');
    return bytesRead;
  }
}

export function isBody(value: unknown): value is BodySource {
  return value instanceof Slice;
}

/** Reads one pack for tus-js-client, which does not close what it opened when a request failed: close() does. */
export class StagedFileReader implements FileReader {
  #file: FileHandle | undefined;

  /** A Failure `pack_damaged` where the file is not as long as it was sealed. */
  async openFile(input: StagedPack): Promise<FileSource> {
    try {
      this.#file = await open(input.path, 'r');
    } catch (cause) {
      throw new Failure('pack_damaged', `The pack ${input.path} can't be opened.`, { cause });
    }
    const file = this.#file;
    const { size } = await file.stat();
    if (size !== input.bytes) {
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
      close: () => {},
    };
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}
