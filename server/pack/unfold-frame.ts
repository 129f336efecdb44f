// Unfolds large frames piece by piece: a day's frame of 8 MiB never lies in memory as a whole, stored or raw.
import { Readable } from 'node:stream';
import { COARSE } from '../../shared/block.ts';
import { collectSoon } from '../../shared/collect-soon.ts';
import { Failure } from '../../shared/failure.ts';
import { type Frame, frameHash } from '../../shared/pack.ts';
import { sha256, startSha256 } from '../sha256.ts';
import { UNFOLDING } from './codecs.ts';
import { decodeFrame } from './decode-frame.ts';

/** Frames up to this size are better decoded in one call (decode-frame.ts); hundreds of them make a pack of a first backup. */
export const ONE_CALL_BYTES = 1_048_576;
/** Stored bytes read, and raw bytes given out, at a time. */
export const PIECE_BYTES = 262_144;

type Unfolded = Pick<Frame, 'codec' | 'rawLength' | 'storedLength'>;

/** Fills the bytes given with stored bytes of a frame, from `position` in it on. */
export type ReadStored = (position: number, into: Uint8Array) => Promise<void>;

/**
 * The raw bytes of a frame in pieces, exactly `rawLength` of them when it has ended. A Failure `malformed` where the stored bytes
 * are not that; what `read` fails with is passed on. The bytes are not compared with the frame's hash.
 */
export async function* unfoldFrame(frame: Unfolded, read: ReadStored): AsyncGenerator<Uint8Array> {
  if (frame.rawLength <= ONE_CALL_BYTES) {
    const stored = new Uint8Array(frame.storedLength);
    await read(0, stored);
    yield decodeFrame(frame, stored);
    return;
  }
  let length = 0;
  for await (const piece of decoded(frame, read)) {
    length += piece.length;
    if (length > frame.rawLength) break;
    // Of the piece before, which is done with once this one is there.
    collectSoon(piece.length);
    yield piece;
  }
  if (length !== frame.rawLength) throw new Failure('malformed', 'A frame has another length than stated.');
}

/** The same as frameHash() of shared/pack.ts, over bytes that come in pieces. */
export async function hashOfPieces(raw: AsyncIterable<Uint8Array>, rawLength: number): Promise<Uint8Array> {
  const hashes = new Uint8Array(32 * Math.ceil(rawLength / COARSE));
  let sum = startSha256();
  let length = 0;
  for await (const piece of raw) {
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + COARSE - (length % COARSE));
      sum.update(part);
      at += part.length;
      length += part.length;
      if (length % COARSE === 0 || length === rawLength) {
        hashes.set(sum.digest(), 32 * Math.floor((length - 1) / COARSE));
        sum = startSha256();
      }
    }
  }
  return frameHash(new Uint8Array(0), sha256, hashes);
}

async function* decoded(frame: Unfolded, read: ReadStored): AsyncGenerator<Uint8Array> {
  const { form, inPieces } = UNFOLDING[frame.codec];
  const passed = form(frame.rawLength);
  /** What is wrong with what went in, which the decoder would tell of as its own failure. */
  let broken: { readonly error: unknown } | undefined;
  async function* stored(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < frame.storedLength; at += PIECE_BYTES) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, frame.storedLength - at));
      try {
        await read(at, piece);
        passed.push(piece);
        if (at + piece.length === frame.storedLength) passed.end();
      } catch (error) {
        broken = { error };
        throw error;
      }
      yield piece;
    }
  }
  if (inPieces === null) return yield* stored();
  const source = Readable.from(stored(), { highWaterMark: 1 });
  const decoder = inPieces(PIECE_BYTES);
  source.once('error', (error) => decoder.destroy(error));
  source.pipe(decoder);
  try {
    yield* decoder as AsyncIterable<Uint8Array>;
  } catch (cause) {
    if (broken) throw broken.error;
    throw new Failure('malformed', 'A frame does not decompress to its stated length.', { cause });
  } finally {
    source.destroy();
  }
}
