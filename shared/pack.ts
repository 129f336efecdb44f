// The pack: a sealed, immutable file of compressed frames. This file writes and reads everything of it but the frames' bytes.
import { COARSE, type Sha256 } from './block.ts';
import { ByteReader, ByteWriter, sameBytes, toHex } from './byte-codec.ts';
import { Failure } from './failure.ts';
import { merkleRoot } from './merkle.ts';

/*
 * Format 1:
 *
 *   header   8  "MFPACK" 00 01                      what it is, format version
 *   frames   n  stored bytes of frame after frame   each at most 8 MiB raw
 *   index       count, then for each frame: raw length, stored length, codec (varints), 32-byte hash of the raw bytes
 *   footer  48  index offset (u64) | SHA-256 of index offset and index | "MFPACK" 01 02
 *
 * A frame's hash is the Merkle root (merkle.ts) over the SHA-256 of its raw bytes in pieces of 64 KiB, the same sum as a
 * version's root: where whole coarse blocks went into a frame, their hashes prove it, without reading it again.
 * Extents name raw offsets: frame after frame, without gaps. A pack is self-describing: frames can be found and
 * checked without any catalogue. Its id is the SHA-256 of the whole file.
 */
const HEADER = Uint8Array.of(0x4d, 0x46, 0x50, 0x41, 0x43, 0x4b, 0x00, 0x01);
const TRAILER = Uint8Array.of(0x4d, 0x46, 0x50, 0x41, 0x43, 0x4b, 0x01, 0x02);

export const PACK_HEADER_BYTES = HEADER.length;
export const PACK_FOOTER_BYTES = 8 + 32 + TRAILER.length;

/** Most raw bytes in a frame: enough for a compressor to see neighbours, little enough to hold in memory. */
export const MAX_FRAME_RAW = 8_388_608;
/** Most stored bytes of a pack that a server takes, so that checking one is a bounded job. */
export const MAX_PACK_STORED = 67_108_864;
/** Most raw bytes of a pack: bounds what a pack of zeros can unfold to. */
export const MAX_PACK_RAW = 536_870_912;

/** Most frames in a pack, a hundred times what a device makes: their index is held in memory. */
export const MAX_PACK_FRAMES = 65_536;

/** How a frame is stored; readable for ever by its number. zstd: one frame of it, in the form of zstd-form.ts. */
export const CODECS = { stored: 0, brotli: 1, zstd: 2 } as const;
export type Codec = (typeof CODECS)[keyof typeof CODECS];

/** What every server has read since packs were: what a device writes for one that says nothing else. */
export const CODECS_OF_ALL: ReadonlySet<Codec> = new Set([CODECS.stored, CODECS.brotli]);
/** What this server says of itself, in the header CODECS_HEADER of routes.ts. */
export const CODECS_SAID = Object.values(CODECS).join(',');

/** What a server reads, from the text that it said; what it must read in any case where it said nothing. Unknown numbers are left out. */
export function codecsIn(said: string | undefined): ReadonlySet<Codec> {
  const numbers = new Set((said ?? '').split(',').map((word) => word.trim()));
  const known = Object.values(CODECS).filter((codec) => numbers.has(String(codec)));
  return new Set([...CODECS_OF_ALL, ...known]);
}

export interface Frame {
  readonly rawLength: number;
  readonly storedLength: number;
  readonly codec: Codec;
  /** 32 bytes: Merkle root over the 64 KiB pieces of the raw bytes. */
  readonly hash: Uint8Array;
}

/** A frame with its place in the pack, as read back from an index. */
export interface PlacedFrame extends Frame {
  readonly rawOffset: number;
  readonly storedOffset: number;
}

/** The first bytes of every pack. */
export function packHeader(): Uint8Array {
  return HEADER.slice();
}

/** The hash of a frame's raw bytes; `pieces`, where known, are the SHA-256 of its 64 KiB pieces, one after another. */
export function frameHash(raw: Uint8Array, sha256: Sha256, pieces?: Uint8Array): Uint8Array {
  if (pieces) return merkleRoot(pieces, sha256);
  const hashes = new Uint8Array(32 * Math.ceil(raw.length / COARSE));
  for (let at = 0, out = 0; at < raw.length; at += COARSE, out += 32) {
    hashes.set(sha256(raw.subarray(at, at + COARSE)), out);
  }
  return merkleRoot(hashes, sha256);
}

/** Index and footer: what follows the frames and seals the pack. */
export function packTail(frames: readonly Frame[], sha256: Sha256): Uint8Array {
  const index = new ByteWriter().varint(frames.length);
  let offset = HEADER.length;
  for (const frame of frames) {
    index.varint(frame.rawLength).varint(frame.storedLength).varint(frame.codec).bytes(frame.hash);
    offset += frame.storedLength;
  }
  const place = new ByteWriter().u64(offset).view();
  const check = sha256(new ByteWriter().bytes(place).bytes(index.view()).view());
  return index.bytes(place).bytes(check).bytes(TRAILER).view();
}

/** Whether `bytes` begin as a pack of a known format does. */
export function isPackHeader(bytes: Uint8Array): boolean {
  return sameBytes(bytes.subarray(0, HEADER.length), HEADER);
}

/** Where the index of a pack of `size` bytes begins, from its last PACK_FOOTER_BYTES bytes. */
export function indexOffset(footer: Uint8Array, size: number): number {
  const reader = new ByteReader(footer);
  const offset = reader.u64();
  reader.bytes(32);
  const sealed = sameBytes(reader.bytes(TRAILER.length), TRAILER);
  if (!sealed || offset < HEADER.length || offset > size - PACK_FOOTER_BYTES) {
    throw new Failure('malformed', 'The pack has no valid footer.');
  }
  return offset;
}

/** The frames of a pack, from the bytes between indexOffset and its end. Checked whole, against limits too. */
export function parsePackTail(tail: Uint8Array, offset: number, sha256: Sha256): PlacedFrame[] {
  const index = tail.subarray(0, tail.length - PACK_FOOTER_BYTES);
  const footer = tail.subarray(index.length);
  const check = sha256(new ByteWriter().bytes(footer.subarray(0, 8)).bytes(index).view());
  if (!sameBytes(check, footer.subarray(8, 40)))
    throw new Failure('malformed', 'The index of the pack does not match its hash.');
  const reader = new ByteReader(index);
  const frames: PlacedFrame[] = [];
  let rawOffset = 0;
  let storedOffset = HEADER.length;
  const count = reader.count(35);
  if (count > MAX_PACK_FRAMES) throw new Failure('malformed', `The pack has ${count} frames.`);
  for (let left = count; left > 0; left--) {
    const frame = readFrame(reader, rawOffset, storedOffset);
    frames.push(frame);
    rawOffset += frame.rawLength;
    storedOffset += frame.storedLength;
  }
  reader.end();
  if (storedOffset !== offset || rawOffset > MAX_PACK_RAW) {
    throw new Failure('malformed', 'The frames of the pack do not add up to its size.');
  }
  return frames;
}

function readFrame(reader: ByteReader, rawOffset: number, storedOffset: number): PlacedFrame {
  const rawLength = reader.varint();
  const storedLength = reader.varint();
  const codec = reader.varint();
  const hash = reader.bytes(32).slice();
  const possible =
    codec === CODECS.stored ? storedLength === rawLength : storedLength > 0 && storedLength < rawLength;
  if (rawLength < 1 || rawLength > MAX_FRAME_RAW || !possible || codec > CODECS.zstd) {
    throw new Failure('malformed', `A frame of the pack is out of range (${toHex(hash.subarray(0, 4))}).`);
  }
  return { rawLength, storedLength, codec: codec as Codec, hash, rawOffset, storedOffset };
}

/** Index of the frame that holds raw offset `offset`, or -1 past the end. */
export function frameAt(frames: readonly PlacedFrame[], offset: number): number {
  let low = 0;
  let high = frames.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const frame = frames[middle]!;
    if (offset < frame.rawOffset) high = middle - 1;
    else if (offset >= frame.rawOffset + frame.rawLength) low = middle + 1;
    else return middle;
  }
  return -1;
}
