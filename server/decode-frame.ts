// Turns the stored bytes of a frame back into its raw ones, with a hard ceiling: a bomb ends where its index said it would.
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { collectSoon } from '../shared/collect-soon.ts';
import { Failure } from '../shared/failure.ts';
import { CODECS, type Frame } from '../shared/pack.ts';

const brotliDecompress = promisify<Uint8Array, zlib.BrotliOptions, Uint8Array>(zlib.brotliDecompress);

/** Below this a round trip through the thread pool costs more than the work: 128 KiB take 0.3 ms here, and 0.7 ms there. */
const INLINE_RAW = 262_144;
/** Room behind the last byte, so that the decoder is not asked for a second buffer when the first is exactly full. */
const SLACK = 64;

type Decompress = (
  stored: Uint8Array,
  options: { maxOutputLength: number; chunkSize: number },
  done: (error: Error | null, raw: Uint8Array) => void,
) => void;

/** Node has zstd from 22.15 and 23.8 on; what runs on 20 must not name it in a type. */
const zstdDecompress = (zlib as unknown as { zstdDecompress?: Decompress }).zstdDecompress;

/** The codecs that this runtime reads. */
export const READABLE_CODECS: readonly number[] = zstdDecompress
  ? [CODECS.stored, CODECS.brotli, CODECS.zstd]
  : [CODECS.stored, CODECS.brotli];

/**
 * The raw bytes of a frame, exactly `rawLength` of them. A Failure `malformed` where the stored bytes are not that, or
 * are in a codec that this runtime does not have. The bytes are not compared with the frame's hash.
 */
export async function decodeFrame(
  frame: Pick<Frame, 'codec' | 'rawLength'>,
  stored: Uint8Array,
): Promise<Uint8Array> {
  const raw = await decode(frame, stored);
  if (raw.length !== frame.rawLength)
    throw new Failure('malformed', 'A frame has another length than stated.');
  collectSoon(raw.length);
  return raw;
}

async function decode(
  { codec, rawLength }: Pick<Frame, 'codec' | 'rawLength'>,
  stored: Uint8Array,
): Promise<Uint8Array> {
  const options = { maxOutputLength: rawLength, chunkSize: rawLength + SLACK };
  try {
    if (codec === CODECS.stored) return stored;
    if (codec === CODECS.brotli) {
      if (rawLength <= INLINE_RAW) return zlib.brotliDecompressSync(stored, options);
      return await brotliDecompress(stored, options);
    }
  } catch (cause) {
    throw new Failure('malformed', 'A frame does not decompress to its stated length.', { cause });
  }
  if (!zstdDecompress) {
    throw new Failure('malformed', `This server cannot read codec ${codec}; it needs Node 22.15 or newer.`, {
      detail: { codecs: READABLE_CODECS },
    });
  }
  const decompress = zstdDecompress;
  return new Promise((resolve, reject) => {
    decompress(stored, options, (cause, raw) => {
      if (cause)
        reject(new Failure('malformed', 'A frame does not decompress to its stated length.', { cause }));
      else resolve(raw);
    });
  });
}
