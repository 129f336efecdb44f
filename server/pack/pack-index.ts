// The index of a pack in little memory: some 60 bytes a frame, so that the indexes of many packs can be at hand.
import type { Codec, PlacedFrame } from '../../shared/pack.ts';

/** The frames of one pack, by position. */
export class PackIndex {
  readonly count: number;
  readonly #raw: Float64Array;
  readonly #stored: Float64Array;
  readonly #codecs: Uint8Array;
  readonly #hashes: Uint8Array;

  constructor(frames: readonly PlacedFrame[]) {
    this.count = frames.length;
    this.#raw = new Float64Array(frames.length + 1);
    this.#stored = new Float64Array(frames.length + 1);
    this.#codecs = new Uint8Array(frames.length);
    this.#hashes = new Uint8Array(32 * frames.length);
    for (const [at, frame] of frames.entries()) {
      this.#raw[at] = frame.rawOffset;
      this.#raw[at + 1] = frame.rawOffset + frame.rawLength;
      this.#stored[at] = frame.storedOffset;
      this.#stored[at + 1] = frame.storedOffset + frame.storedLength;
      this.#codecs[at] = frame.codec;
      this.#hashes.set(frame.hash, 32 * at);
    }
  }

  /** Raw bytes of all frames. */
  get raw(): number {
    return this.#raw[this.count] ?? 0;
  }

  frame(index: number): PlacedFrame {
    const rawOffset = this.#raw[index]!;
    const storedOffset = this.#stored[index]!;
    return {
      rawOffset,
      rawLength: this.#raw[index + 1]! - rawOffset,
      storedOffset,
      storedLength: this.#stored[index + 1]! - storedOffset,
      codec: this.#codecs[index]! as Codec,
      hash: this.#hashes.subarray(32 * index, 32 * index + 32),
    };
  }

  /** Index of the frame that holds raw offset `offset`, or -1 past the end. */
  at(offset: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (offset < this.#raw[middle]!) high = middle - 1;
      else if (offset >= this.#raw[middle + 1]!) low = middle + 1;
      else return middle;
    }
    return -1;
  }
}
