// Turns the stored bytes of a frame back into its raw ones, with a hard ceiling: a bomb ends where its index said it would.
import * as zlib from 'node:zlib';
import { collectSoon } from '../../shared/collect-soon.ts';
import { Failure } from '../../shared/failure.ts';
import { CODECS, type Frame } from '../../shared/pack.ts';

/** Room behind the last byte, so that the decoder is not asked for a second buffer when the first is exactly full. */
const SLACK = 64;

type Decompress = (stored: Uint8Array, options: { maxOutputLength: number; chunkSize: number }) => Uint8Array;

/** Node has zstd from 22.15 and 23.8 on; what runs on 20 must not name it in a type. */
const zstdDecompressSync = (zlib as unknown as { zstdDecompressSync?: Decompress }).zstdDecompressSync;

/** The codecs that this runtime reads. */
export const READABLE_CODECS: readonly number[] = zstdDecompressSync
  ? [CODECS.stored, CODECS.brotli, CODECS.zstd]
  : [CODECS.stored, CODECS.brotli];

/**
 * The raw bytes of a frame, exactly `rawLength` of them. A Failure `malformed` where the stored bytes are not that, or
 * are in a codec that this runtime does not have. The bytes are not compared with the frame's hash.
 *
 * In one call and here: 128 KiB take 0.3 ms, 8 MiB some 25. The thread pool would take twice as long for a small frame, and each
 * of its threads would keep a decoder's memory.
 */
export function decodeFrame(frame: Pick<Frame, 'codec' | 'rawLength'>, stored: Uint8Array): Uint8Array {
  // Of the frame before: were it done once this one is there, the new one would be taken for something that lasts.
  collectSoon(frame.rawLength);
  const raw = decode(frame, stored);
  if (raw.length !== frame.rawLength)
    throw new Failure('malformed', 'A frame has another length than stated.');
  return raw;
}

function decode({ codec, rawLength }: Pick<Frame, 'codec' | 'rawLength'>, stored: Uint8Array): Uint8Array {
  if (codec === CODECS.stored) return stored;
  const decompress = codec === CODECS.brotli ? zlib.brotliDecompressSync : zstdDecompressSync;
  if (!decompress) {
    throw new Failure('malformed', `This server cannot read codec ${codec}; it needs Node 22.15 or newer.`, {
      detail: { codecs: READABLE_CODECS },
    });
  }
  try {
    return decompress(stored, { maxOutputLength: rawLength, chunkSize: rawLength + SLACK });
  } catch (cause) {
    throw new Failure('malformed', 'A frame does not decompress to its stated length.', { cause });
  }
}
