// Large frames, unfolded, in unnamed files: read here and there for as long as they are needed, without being held in memory.
import { type FileHandle, mkdir, open, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isFull } from '../disk-failure.ts';
import { OpenFiles } from '../open-files.ts';
import { Turns } from '../turns.ts';

/**
 * Frames kept. A version of a hundred days reads from as many packs in turns, one frame of each at a time; at 8 MiB a frame
 * this is a gigabyte of disk at most, and of memory only what the system has to spare.
 */
const FRAMES = 128;

export class FrameScratch {
  readonly #directory: string;
  readonly #files = new OpenFiles(FRAMES);
  /** One frame is unfolded after another: a decoder holds as much as the window that a day is compressed with, 4 MiB. */
  readonly #unfolding = new Turns();
  #made = 0;
  /** False on a disk that has no room even for an empty folder: every frame is unfolded anew then. */
  #hasFolder = true;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes the folder, empty: what a server that died left there is of no use. */
  async prepare(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#hasFolder = false;
    }
  }

  /**
   * Fills `into` from byte `offset` of the frame `key`; how many bytes there were. `unfold` gives the raw bytes of a frame that is
   * not kept, in pieces. Where there is no room on the disk, it is unfolded anew each time: slow, but what is stored can always be
   * read.
   */
  async read(
    key: string,
    unfold: () => AsyncIterable<Uint8Array>,
    offset: number,
    into: Uint8Array,
  ): Promise<number> {
    if (!this.#hasFolder) return readPieces(unfold(), offset, into);
    const keep = (): Promise<FileHandle> => this.#unfolding.take('frame', () => this.#keep(unfold()));
    try {
      return await this.#files.with(key, keep, async (file) => {
        const { bytesRead } = await file.read(into, 0, into.length, offset);
        return bytesRead;
      });
    } catch (error) {
      if (!isFull(error)) throw error;
      return readPieces(unfold(), offset, into);
    }
  }

  /** Gives up the frames whose key begins so. */
  forgetAll(prefix: string): void {
    this.#files.forgetAll(prefix);
  }

  /** Gives the room on the disk back, but for the frames that are being read. */
  giveRoom(): Promise<void> {
    return this.#files.closeIdle();
  }

  async #keep(raw: AsyncIterable<Uint8Array>): Promise<FileHandle> {
    const path = join(this.#directory, `frame-${this.#made++}`);
    const file = await open(path, 'wx+', 0o600);
    try {
      // Without a name it is gone with the process, however that ends.
      await unlink(path);
      for await (const piece of raw) await file.writeFile(piece);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#files.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Fills `into` from byte `offset` of what comes in pieces; how many bytes there were. */
async function readPieces(raw: AsyncIterable<Uint8Array>, offset: number, into: Uint8Array): Promise<number> {
  let at = 0;
  let done = 0;
  for await (const piece of raw) {
    const part = piece.subarray(Math.max(0, offset - at), Math.max(0, offset + into.length - at));
    into.set(part, done);
    done += part.length;
    at += piece.length;
    if (done === into.length) break;
  }
  return done;
}
