// Large frames piece by piece: stored bytes in, raw ones out, never the whole of either in memory.
import { pipeline, Readable, type Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { COARSE } from '../shared/block.ts';
import { sameBytes } from '../shared/byte-codec.ts';
import { collectSoon } from '../shared/collect-soon.ts';
import { Failure } from '../shared/failure.ts';
import { MerkleSum } from '../shared/merkle.ts';
import { CODECS, type Frame } from '../shared/pack.ts';
import { sha256 } from './sha256.ts';

/** Frames above this are unfolded piece by piece; below it, calling once is quicker and holds little. */
export const SMALL_FRAME = 1_048_576;

type Decoder = (options: { chunkSize: number }) => Transform;

/** Node has zstd from 22.15 and 23.8 on; what runs on 20 must not name it in a type. */
const createZstdDecompress = (zlib as unknown as { createZstdDecompress?: Decoder }).createZstdDecompress;

function decoderOf(codec: number): Transform {
  if (codec === CODECS.brotli) return zlib.createBrotliDecompress({ chunkSize: COARSE });
  if (codec === CODECS.zstd && createZstdDecompress) return createZstdDecompress({ chunkSize: COARSE });
  throw new Failure('malformed', `This server cannot read codec ${codec}; it needs Node 22.15 or newer.`);
}

/**
 * The raw bytes of a frame in pieces of 64 KiB (the last may be shorter), exactly `rawLength` of them in all. A piece is valid
 * until the next is asked for. A Failure
 * `malformed` where `stored` is not that: a bomb ends at the first byte too many. Not compared with the frame's hash.
 */
export async function* unfoldFrame(
  frame: Frame,
  stored: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const raw = frame.codec === CODECS.stored ? stored : decoded(frame, stored);
  const piece = Buffer.allocUnsafe(COARSE);
  let filled = 0;
  let total = 0;
  for await (const bytes of raw) {
    total += bytes.length;
    collectSoon(2 * bytes.length);
    if (total > frame.rawLength) break;
    for (let from = 0; from < bytes.length; ) {
      const part = bytes.subarray(from, from + COARSE - filled);
      piece.set(part, filled);
      filled += part.length;
      from += part.length;
      if (filled < COARSE) continue;
      yield piece;
      filled = 0;
    }
  }
  if (total !== frame.rawLength) throw new Failure('malformed', 'A frame has another length than stated.');
  if (filled > 0) yield piece.subarray(0, filled);
}

async function* decoded(frame: Frame, stored: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = decoderOf(frame.codec);
  // The error of the source is met here too: pipeline destroys the decoder with it.
  pipeline(Readable.from(stored), decoder, () => undefined);
  try {
    for await (const bytes of decoder) yield bytes as Uint8Array;
  } catch (cause) {
    const known =
      typeof (cause as { code?: unknown }).code === 'string' && String((cause as { code: string }).code);
    // What is wrong with the bytes has a zlib code; anything else is the disk's or ours.
    if (!known || !/^(ERR_|Z_|ERR__|ERROR_)/.test(known)) throw cause;
    throw new Failure('malformed', 'A frame does not decompress to its stated length.', { cause });
  } finally {
    decoder.destroy();
  }
}

/** Passes the pieces of a frame on, and ends with a Failure `malformed` where they are not what its hash says. */
export async function* checkedFrame(
  frame: Frame,
  stored: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const sum = new MerkleSum(sha256);
  for await (const piece of unfoldFrame(frame, stored)) {
    sum.push(sha256(piece));
    yield piece;
  }
  if (!sameBytes(sum.root(), frame.hash)) {
    throw new Failure('malformed', 'A frame of the pack does not match its hash.');
  }
}
