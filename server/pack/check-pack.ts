// Decides whether a file is the pack it claims to be: its id, its seal, and every frame decoded and compared with its hash.
import { sameBytes, toHex } from '../../shared/byte-codec.ts';
import { asFailure, Failure } from '../../shared/failure.ts';
import { frameHash, PACK_HEADER_BYTES } from '../../shared/pack.ts';
import { sha256, startSha256 } from '../sha256.ts';
import { decodeFrame } from './decode-frame.ts';
import type { PackIndex } from './pack-index.ts';
import { type ReadPack, readPackIndex } from './pack-reader.ts';
import { hashOfPieces, unfoldFrame } from './unfold-frame.ts';

/**
 * The raw length of a pack of `stored` bytes, where its SHA-256 is `id` and every frame unfolds to
 * what its hash says. A Failure `pack_refused` otherwise. `isNew`: it comes from a
 * device just now, and not from the disk, where packs of any frames may be. Holds a window in memory, whatever the size; reads each byte once.
 * Whoever asks while another pack is checked waits: both would use the same buffers.
 */
export function checkPack(read: ReadPack, stored: number, id: string, isNew = false): Promise<number> {
  const checked = turn.then(() => checkAlone(read, stored, id, isNew));
  turn = checked.catch(() => undefined);
  return checked;
}

/** Frames that may be of any size: a device cuts one short at the end of what it packs, mostly one in a pack. */
const FREE_FRAMES = 256;
/** Least raw bytes of the others, on average: the smallest frames of a device have 32 times as much. */
const LEAST_FRAME_BYTES = 4_096;

/** Each frame costs a read and a decoder whatever it holds, so a pack of crumbs would cost a thousand times what its bytes do. */
function boundFrames({ count, raw }: PackIndex): void {
  if (raw >= (count - FREE_FRAMES) * LEAST_FRAME_BYTES) return;
  throw new Failure(
    'malformed',
    `The pack has ${count} frames of ${Math.floor(raw / count)} bytes on average, fewer than the ${LEAST_FRAME_BYTES} allowed.`,
  );
}

let turn: Promise<unknown> = Promise.resolve();

async function checkAlone(read: ReadPack, stored: number, id: string, isNew: boolean): Promise<number> {
  try {
    return await check(read, stored, id, isNew);
  } catch (cause) {
    const failure = asFailure(cause);
    if (failure.code !== 'malformed') throw cause;
    throw new Failure('pack_refused', failure.message, { cause, detail: { pack: id } });
  }
}

async function check(read: ReadPack, stored: number, id: string, isNew: boolean): Promise<number> {
  const { index, offset } = await readPackIndex(read, stored);
  if (isNew) boundFrames(index);
  const whole = startSha256();
  const bytesOf = inSequence(read, stored, (bytes) => whole.update(bytes));
  await bytesOf(0, PACK_HEADER_BYTES);
  let raw = 0;
  for (let at = 0; at < index.count; at++) {
    const frame = index.frame(at);
    const { storedOffset, storedLength, rawLength } = frame;
    const hash =
      storedLength <= WINDOW
        ? frameHash(decodeFrame(frame, await bytesOf(storedOffset, storedOffset + storedLength)), sha256)
        : await hashOfPieces(
            unfoldFrame(frame, async (position, into) =>
              into.set(await bytesOf(storedOffset + position, storedOffset + position + into.length)),
            ),
            rawLength,
          );
    if (!sameBytes(hash, frame.hash)) {
      throw new Failure('malformed', 'A frame of the pack does not match its hash.');
    }
    raw += rawLength;
  }
  for (let at = offset; at < stored; at += WINDOW) await bytesOf(at, Math.min(stored, at + WINDOW));
  if (toHex(whole.digest()) !== id)
    throw new Failure('malformed', 'The bytes of the pack do not match its id.');
  return raw;
}

/**
 * Bytes of a pack read at a time: hundreds of small frames cost a few reads. A frame whose stored bytes fit is decoded in one call and
 * in this thread, also a bomb of thirty bytes: in pieces it would pass through every thread of the pool, and each would keep what its
 * decoder took (10,000 hostile packs left 60 MB behind that way, and half of it this way).
 */
const WINDOW = 1_048_576;
/** One for the life of the thread, since packs are checked one after another: one a pack would wait long to be collected. */
const window = new Uint8Array(WINDOW);

type BytesOf = (from: number, to: number) => Promise<Uint8Array>;

/**
 * Gives the bytes of a pack out in order, a window at most at a time; `pass` sees each byte once, in order too. What is given
 * is valid until the next call.
 */
function inSequence(read: ReadPack, stored: number, pass: (bytes: Uint8Array) => void): BytesOf {
  let start = 0;
  let end = 0;
  return async (from, to) => {
    if (to > end) {
      start = from;
      end = Math.min(stored, from + window.length);
      await read(start, window.subarray(0, end - start));
    }
    const bytes = window.subarray(from - start, to - start);
    pass(bytes);
    return bytes;
  };
}
