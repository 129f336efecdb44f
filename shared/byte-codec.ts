// Bytes in and out for the formats of this folder: little-endian, variable-length integers (LEB128), strict on reading.
import { Failure } from './failure.ts';

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lower-case hexadecimal of the bytes given. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** The bytes of a lower-case hexadecimal text; a Failure `malformed` for anything else. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) {
    throw new Failure('malformed', 'A hash is not lower-case hexadecimal.');
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** The bytes of a text whose characters are bytes. An array as small as a hash lies in the heap itself, and keeps no other alive. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Whether both hold the same bytes. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Collects bytes; grows by doubling, so n writes cost O(n). One that is told how many it will hold does not have to grow. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  byte(value: number): this {
    this.#room(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#room(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** A whole number from 0 to 2^53-1 in LEB128: seven bits a byte, low ones first. */
  varint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a varint: ${value}`);
    this.#room(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
    return this;
  }

  /** A whole number of either sign, zigzag-coded into a varint. */
  signed(value: number): this {
    return this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** A whole number from 0 to 2^53-1 in eight bytes. */
  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a whole number: ${value}`);
    this.#room(8);
    new DataView(this.#bytes.buffer).setBigUint64(this.#length, BigInt(value), true);
    this.#length += 8;
    return this;
  }

  /** What was written so far; a view, valid until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Reads what ByteWriter wrote; every reading past the end, over-long or out of range is a Failure `malformed`. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    return this.bytes(1)[0]!;
  }

  bytes(length: number): Uint8Array {
    if (length > this.remaining) throw new Failure('malformed', 'The bytes end too early.');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  varint(): number {
    let value = 0;
    // Eight groups hold every number up to 2^53-1; without that end, 150 empty groups would make NaN of infinity.
    for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) break;
      if (byte < 0x80) {
        // One number has one form: a trailing zero group would be a second one.
        if (byte === 0 && scale > 1) throw new Failure('malformed', 'A number is not in its shortest form.');
        return value;
      }
    }
    throw new Failure('malformed', 'A number is too large.');
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  u64(): number {
    const at = this.bytes(8);
    const value = new DataView(at.buffer, at.byteOffset, 8).getBigUint64(0, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Failure('malformed', 'A number is too large.');
    return Number(value);
  }

  /** A count of things that take at least `least` bytes each: refused where the bytes left can't hold them. */
  count(least: number): number {
    const value = this.varint();
    if (value * least > this.remaining)
      throw new Failure('malformed', 'A count is larger than the bytes left.');
    return value;
  }

  end(): void {
    if (this.remaining !== 0) throw new Failure('malformed', 'There are bytes after the end.');
  }
}
