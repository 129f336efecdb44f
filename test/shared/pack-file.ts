// A pack in memory, written and read as both sides do it with shared/pack.ts and node:zlib.
import zlib from 'node:zlib';
import { sameBytes } from '../../shared/byte-codec.ts';
import { Failure } from '../../shared/failure.ts';
import {
  CODECS,
  type Codec,
  type Frame,
  frameHash,
  indexOffset,
  isPackHeader,
  PACK_FOOTER_BYTES,
  PACK_HEADER_BYTES,
  type PlacedFrame,
  packHeader,
  packTail,
  parsePackTail,
} from '../../shared/pack.ts';
import { joined } from './damage.ts';
import { sha256 } from './sha256.ts';

type Transform = (bytes: Uint8Array, options?: { maxOutputLength: number }) => Uint8Array;

/** node:zlib has zstd from 22.15 on; the types of Node 20 don't know it. */
const zstd = zlib as unknown as { zstdCompressSync?: Transform; zstdDecompressSync?: Transform };
export const HAS_ZSTD = zstd.zstdCompressSync !== undefined;

export interface Part {
  readonly raw: Uint8Array;
  readonly codec: Codec;
}

/** The stored bytes of a part and its frame: stored as it is where compressing would not make it smaller. */
function pressed({ raw, codec }: Part): { stored: Uint8Array; frame: Frame } {
  let stored = raw;
  let used: Codec = CODECS.stored;
  if (codec !== CODECS.stored) {
    const small = new Uint8Array(
      codec === CODECS.zstd
        ? zstd.zstdCompressSync!(raw)
        : zlib.brotliCompressSync(raw, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }),
    );
    if (small.length < raw.length) {
      stored = small;
      used = codec;
    }
  }
  const frame = {
    rawLength: raw.length,
    storedLength: stored.length,
    codec: used,
    hash: frameHash(raw, sha256),
  };
  return { stored, frame };
}

export function writePack(parts: readonly Part[]): Uint8Array {
  const all = parts.map(pressed);
  return joined(
    packHeader(),
    ...all.map(({ stored }) => stored),
    packTail(
      all.map(({ frame }) => frame),
      sha256,
    ),
  );
}

/** The frames of a pack, from its first and last bytes only. */
export function framesOf(pack: Uint8Array): PlacedFrame[] {
  if (!isPackHeader(pack.subarray(0, PACK_HEADER_BYTES))) throw new Failure('malformed', 'no header');
  const offset = indexOffset(pack.subarray(Math.max(0, pack.length - PACK_FOOTER_BYTES)), pack.length);
  return parsePackTail(pack.subarray(offset), offset, sha256);
}

/** The raw bytes of a frame; a Failure `pack_damaged` where they don't unfold, or are not those of its hash. */
export function rawOf(pack: Uint8Array, frame: PlacedFrame): Uint8Array {
  const stored = pack.subarray(frame.storedOffset, frame.storedOffset + frame.storedLength);
  let raw = stored;
  try {
    const limit = { maxOutputLength: frame.rawLength };
    if (frame.codec === CODECS.brotli) raw = new Uint8Array(zlib.brotliDecompressSync(stored, limit));
    if (frame.codec === CODECS.zstd) raw = new Uint8Array(zstd.zstdDecompressSync!(stored, limit));
  } catch (cause) {
    throw new Failure('pack_damaged', 'A frame does not unfold.', { cause });
  }
  if (raw.length !== frame.rawLength || !sameBytes(frameHash(raw, sha256), frame.hash)) {
    throw new Failure('pack_damaged', 'A frame is not what its hash says.');
  }
  return raw;
}

export function readPack(pack: Uint8Array): Uint8Array {
  return joined(...framesOf(pack).map((frame) => rawOf(pack, frame)));
}
