// Reads raw bytes out of packs: finds the frames, decodes each once for all who need it, and keeps memory bounded.

import { COARSE } from '../../shared/block.ts';
import { sameBytes } from '../../shared/byte-codec.ts';
import { Failure } from '../../shared/failure.ts';
import {
  indexOffset,
  isPackHeader,
  PACK_FOOTER_BYTES,
  PACK_HEADER_BYTES,
  parsePackTail,
} from '../../shared/pack.ts';
import { BoundedCache } from '../bounded-cache.ts';
import type { PackRow } from '../catalogue/pack-rows.ts';
import { sha256 } from '../sha256.ts';
import type { Vault } from '../vault/vault.ts';
import type { FrameScratch } from './frame-scratch.ts';
import { FrameSlots } from './frame-slots.ts';
import { PackIndex } from './pack-index.ts';
import { hashOfPieces, unfoldFrame } from './unfold-frame.ts';

/** Decoded frames of at most this size are kept in memory: those of a first backup. Larger ones are kept in scratch files. */
const SLOT_BYTES = 2 * COARSE;
const SLOTS = 32;
/** Frames whose places are kept, at some 60 bytes each: the indexes of 4 GiB in frames of 128 KiB. */
const INDEX_CACHE_FRAMES = 40_000;
/** What an index weighs besides its frames. */
const INDEX_OVERHEAD_FRAMES = 20;

/** A source of the bytes of one pack, wherever it lies. */
export type ReadPack = (position: number, into: Uint8Array) => Promise<void>;

/** The index of a pack of `stored` bytes, checked against its own hash; a Failure `malformed` where it is not one. */
export async function readPackIndex(
  read: ReadPack,
  stored: number,
): Promise<{ index: PackIndex; offset: number }> {
  if (stored < PACK_HEADER_BYTES + PACK_FOOTER_BYTES)
    throw new Failure('malformed', 'The pack is too short.');
  const header = new Uint8Array(PACK_HEADER_BYTES);
  await read(0, header);
  if (!isPackHeader(header)) throw new Failure('malformed', 'This is not a pack of a known format.');
  const footer = new Uint8Array(PACK_FOOTER_BYTES);
  await read(stored - PACK_FOOTER_BYTES, footer);
  const offset = indexOffset(footer, stored);
  const tail = new Uint8Array(stored - offset);
  await read(offset, tail);
  return { index: new PackIndex(parsePackTail(tail, offset, sha256)), offset };
}

export class PackReader {
  readonly #vault: Vault;
  readonly #scratch: FrameScratch;
  readonly #slots = new FrameSlots(SLOTS, SLOT_BYTES);
  /**
   * Frames on their way into a slot: whoever asks meanwhile waits for the same. The promises must not carry the bytes: a Map that
   * much is put into and taken out of leaves a chain of old tables, which held 60 MB of frames until V8's next full collection.
   */
  readonly #decoding = new Map<string, Promise<void>>();
  readonly #indexes = new BoundedCache<PackIndex>(
    INDEX_CACHE_FRAMES,
    (index) => index.count + INDEX_OVERHEAD_FRAMES,
  );

  constructor(vault: Vault, scratch: FrameScratch) {
    this.#vault = vault;
    this.#scratch = scratch;
  }

  /** The frames of a pack of the kind `pack`. A Failure `pack_damaged` where its index is not what it was. */
  index(device: string, pack: PackRow): Promise<PackIndex> {
    return this.#indexes.get(`${device}/${pack.id}`, async () => {
      const read: ReadPack = (position, into) => this.#vault.readPack(device, pack.id, position, into);
      try {
        return (await readPackIndex(read, pack.stored)).index;
      } catch (cause) {
        throw damaged(pack.id, cause);
      }
    });
  }

  /**
   * Fills `into` with the raw bytes of a pack from `offset`. They are not compared with any hash here: every caller
   * compares whole coarse blocks, which covers the extents too. A Failure `pack_damaged` where they can't be had.
   */
  async read(device: string, pack: PackRow, offset: number, into: Uint8Array): Promise<void> {
    if (pack.kind === 'raw') return this.#vault.readPack(device, pack.id, offset, into);
    const index = await this.index(device, pack);
    for (let done = 0, at = index.at(offset); done < into.length; at++) {
      if (at < 0 || at >= index.count) throw damaged(pack.id, undefined);
      const frame = index.frame(at);
      const from = offset + done - frame.rawOffset;
      const part = into.subarray(done, done + frame.rawLength - from);
      await this.#readFrame({ device, pack, index, at }, from, part);
      done += part.length;
    }
  }

  /**
   * Compares the frames under a run of raw bytes, those that are `due`, with their hashes; a Failure `pack_damaged` names the pack.
   */
  async checkFrames(
    device: string,
    pack: PackRow,
    { offset, length }: { readonly offset: number; readonly length: number },
    due: DueFrames,
  ): Promise<void> {
    if (pack.kind === 'raw' || due.isOver) return;
    const index = await this.index(device, pack);
    for (let at = index.at(offset); at >= 0 && at < index.count; at++) {
      const frame = index.frame(at);
      if (frame.rawOffset >= offset + length) return;
      if (!due.take(keyOf(device, pack, at), frame.rawLength)) continue;
      const hash = await hashOfPieces(this.#unfold({ device, pack, index, at }), frame.rawLength);
      if (!sameBytes(hash, frame.hash)) throw damaged(pack.id, undefined);
    }
  }

  /** Nothing that was read of a pack is given out again: its file is another one now, or gone. */
  forget(device: string, id: string): void {
    const prefix = `${device}/${id}`;
    this.#indexes.delete(prefix);
    this.#slots.forgetAll(`${prefix}/`);
    this.#scratch.forgetAll(`${prefix}/`);
  }

  /** Fills `into` from byte `from` of a frame, wherever it is kept. */
  async #readFrame(place: FramePlace, from: number, into: Uint8Array): Promise<void> {
    const { device, pack, index, at } = place;
    const key = keyOf(device, pack, at);
    if (index.frame(at).rawLength > SLOT_BYTES) {
      const read = await this.#scratch.read(key, () => this.#unfold(place), from, into);
      if (read !== into.length) throw damaged(pack.id, undefined);
      return;
    }
    // Again, where so many others were decoded meanwhile that it has lost its slot.
    while (!this.#slots.copy(key, from, into)) await this.#decodeOnce(key, place);
  }

  #decodeOnce(key: string, place: FramePlace): Promise<void> {
    const known = this.#decoding.get(key);
    if (known) return known;
    const decoding = this.#decodeIntoSlot(key, place).finally(() => this.#decoding.delete(key));
    this.#decoding.set(key, decoding);
    return decoding;
  }

  async #decodeIntoSlot(key: string, place: FramePlace): Promise<void> {
    for await (const raw of this.#unfold(place)) this.#slots.keep(key, raw);
  }

  async *#unfold({ device, pack, index, at }: FramePlace): AsyncGenerator<Uint8Array> {
    const frame = index.frame(at);
    try {
      yield* unfoldFrame(frame, (position, into) =>
        this.#vault.readPack(device, pack.id, frame.storedOffset + position, into),
      );
    } catch (cause) {
      // A disk that fails says nothing of the pack.
      throw cause instanceof Failure && cause.code === 'malformed' ? damaged(pack.id, cause) : cause;
    }
  }
}

/** Which frames are to be compared on behalf of one request: each once, and of so many raw bytes in all. */
export class DueFrames {
  readonly #taken = new Set<string>();
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Whether none is due any more. */
  get isOver(): boolean {
    return this.#left <= 0;
  }

  /** Whether the frame `key` of `bytes` is to be compared now. */
  take(key: string, bytes: number): boolean {
    if (this.isOver || this.#taken.has(key)) return false;
    this.#taken.add(key);
    this.#left -= bytes;
    return true;
  }
}

/** One frame of one pack. */
interface FramePlace {
  readonly device: string;
  readonly pack: PackRow;
  readonly index: PackIndex;
  readonly at: number;
}

function keyOf(device: string, pack: PackRow, at: number): string {
  return `${device}/${pack.id}/${at}`;
}

function damaged(id: string, cause: unknown): Failure {
  return new Failure('pack_damaged', `Pack ${id} is damaged on the server.`, { cause, detail: { pack: id } });
}
