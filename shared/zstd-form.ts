// The one form in which zstd frames are taken: looked at in their headers alone, before and while a decoder unfolds them.
import { Failure } from './failure.ts';
import { MAX_FRAME_RAW } from './pack.ts';

/*
 * zstd (RFC 8878) lets the same bytes be told in many ways. A frame of a pack is told in this one:
 *
 *   magic     4  28 b5 2f fd                      no skippable frame, no older format
 *   head      1  size of the content (2 bits), single segment (1), five zeros: no checksum (the frame's hash is one), no dictionary
 *   window    1  only where it is no single segment; at most MAX_FRAME_RAW
 *   content      the raw length of the pack's index, in the fewest bytes that zstd has for it: 1, 2 or 4
 *   blocks       each 3 bytes of head and its bytes, none of them empty
 *
 * and nothing behind its last block. The decoder sees to it that the blocks are as long as the content says.
 */
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd] as const;
const SINGLE_SEGMENT = 0x20;
/** Bits of the head that are zero: reserved ones, the checksum's, those of a dictionary's id. */
const ZEROS = 0x1f;
/** Bytes of the content's size, by the two bits that say so. */
const SIZE_BYTES = [1, 2, 4] as const;
/** What two bytes of size are more than they say. */
const SIZE_OFFSET = 256;
const BLOCK_HEAD = 3;
const BLOCK_MOST = 131_072;
const RLE = 1;
const RESERVED = 3;

/** Bytes of magic, head, window and content. */
function headerBytes(head: number): number {
  return MAGIC.length + 1 + (head & SINGLE_SEGMENT ? 0 : 1) + (SIZE_BYTES[sizeCode(head)] ?? 0);
}

function sizeCode(head: number): number {
  return head >> 6;
}

/** The bits with which zstd says the size of so many bytes. */
function codeOf(rawLength: number): number {
  if (rawLength < SIZE_OFFSET) return 0;
  return rawLength < 65_536 + SIZE_OFFSET ? 1 : 2;
}

/**
 * Follows the stored bytes of one frame of `rawLength` raw bytes, in pieces of any size. A Failure `malformed` where they are not a
 * whole zstd frame in the form above. It holds some bytes of state, and looks at no more than the headers.
 */
export class ZstdForm {
  readonly #rawLength: number;
  /** What is gathered of a header that may be split between pieces. */
  readonly #header: number[] = [];
  #wanted = MAGIC.length + 1;
  #inBlocks = false;
  #isLast = false;
  /** Bytes of a block that are still to come. */
  #left = 0;

  constructor(rawLength: number) {
    this.#rawLength = rawLength;
  }

  /** The next bytes of the frame. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, bytes.length - at);
        this.#left -= skipped;
        at += skipped;
        continue;
      }
      if (this.#ended) throw refused('bytes follow it');
      this.#header.push(bytes[at++]!);
      if (this.#header.length === this.#wanted) this.#takeHeader();
    }
  }

  /** No more bytes come. */
  end(): void {
    if (!this.#ended) throw refused('it is cut off');
  }

  get #ended(): boolean {
    return this.#isLast && this.#left === 0;
  }

  #takeHeader(): void {
    if (this.#inBlocks) this.#takeBlock();
    else if (this.#header.length === MAGIC.length + 1) this.#takeHead();
    else this.#takeSizes();
  }

  #takeHead(): void {
    if (MAGIC.some((byte, at) => this.#header[at] !== byte)) throw refused('it does not begin as one');
    const head = this.#header[MAGIC.length]!;
    if ((head & ZEROS) !== 0) throw refused('it has a dictionary, a checksum or reserved bits');
    const code = sizeCode(head);
    if (code !== codeOf(this.#rawLength) || (code === 0 && !(head & SINGLE_SEGMENT)))
      throw refused('it does not say its length as it should');
    this.#wanted = headerBytes(head);
  }

  #takeSizes(): void {
    const head = this.#header[MAGIC.length]!;
    let at = MAGIC.length + 1;
    if (!(head & SINGLE_SEGMENT)) {
      const descriptor = this.#header[at++]!;
      const base = 2 ** (10 + (descriptor >> 3));
      if (base + (base / 8) * (descriptor & 7) > MAX_FRAME_RAW) throw refused('its window is too large');
    }
    let size = sizeCode(head) === 1 ? SIZE_OFFSET : 0;
    for (let place = 1; at < this.#header.length; place *= 256) size += this.#header[at++]! * place;
    if (size !== this.#rawLength) throw refused('it says another length');
    this.#inBlocks = true;
    this.#await();
  }

  #takeBlock(): void {
    const word = this.#header[0]! + this.#header[1]! * 256 + this.#header[2]! * 65_536;
    const type = (word >> 1) & 3;
    const size = word >> 3;
    if (type === RESERVED || size === 0 || size > BLOCK_MOST) throw refused('a block of it is out of range');
    this.#isLast = (word & 1) === 1;
    this.#left = type === RLE ? 1 : size;
    this.#await();
  }

  #await(): void {
    this.#header.length = 0;
    this.#wanted = BLOCK_HEAD;
  }
}

function refused(why: string): Failure {
  return new Failure('malformed', `A zstd frame of the pack is not of the form that packs have: ${why}.`);
}
