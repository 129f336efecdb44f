// Decides whether a file is the pack it claims to be: its id, its seal, and every frame decoded and compared with its hash.
import { sameBytes, toHex } from '../shared/byte-codec.ts';
import { asFailure, Failure } from '../shared/failure.ts';
import { frameHash, PACK_HEADER_BYTES, type PlacedFrame } from '../shared/pack.ts';
import { decodeFrame } from './decode-frame.ts';
import { type ReadPack, readPackIndex } from './pack-reader.ts';
import { sha256, startSha256 } from './sha256.ts';
import { type BytesOf, storedPieces } from './stored-pieces.ts';
import { checkedFrame, SMALL_FRAME } from './unfold-frame.ts';

/**
 * The raw length of a pack of `stored` bytes, where its SHA-256 is `id` and every frame unfolds to
 * what its hash says. A Failure `pack_refused` otherwise. Holds one small frame in memory, or pieces of a large one; reads each byte once.
 */
export async function checkPack(read: ReadPack, stored: number, id: string): Promise<number> {
  try {
    return await check(read, stored, id);
  } catch (cause) {
    const failure = asFailure(cause);
    if (failure.code !== 'malformed') throw cause;
    throw new Failure('pack_refused', failure.message, { cause, detail: { pack: id } });
  }
}

async function check(read: ReadPack, stored: number, id: string): Promise<number> {
  const { index, offset } = await readPackIndex(read, stored);
  const whole = startSha256();
  const bytesOf = inSequence(read, stored, (bytes) => whole.update(bytes));
  await bytesOf(0, PACK_HEADER_BYTES);
  let raw = 0;
  for (let at = 0; at < index.count; at++) {
    const frame = index.frame(at);
    await (frame.rawLength > SMALL_FRAME ? checkLarge(frame, bytesOf) : checkSmall(frame, bytesOf));
    raw += frame.rawLength;
  }
  for (let at = offset; at < stored; at += WINDOW) await bytesOf(at, Math.min(stored, at + WINDOW));
  if (toHex(whole.digest()) !== id)
    throw new Failure('malformed', 'The bytes of the pack do not match its id.');
  return raw;
}

/** Bytes of a pack read at a time: hundreds of small frames cost a few reads. */
const WINDOW = 1_048_576;
/** One for the life of the thread, where packs are checked one after another: one a pack would wait long to be collected. */
const window = new Uint8Array(WINDOW);

/**
 * Gives the bytes of a pack out in order, at most WINDOW at a time; `pass` sees each byte once, in order too. What is given is valid
 * until the next call.
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

async function checkSmall(frame: PlacedFrame, bytesOf: BytesOf): Promise<void> {
  const { storedOffset, storedLength } = frame;
  const raw = await decodeFrame(frame, await bytesOf(storedOffset, storedOffset + storedLength));
  if (!sameBytes(frameHash(raw, sha256), frame.hash)) {
    throw new Failure('malformed', 'A frame of the pack does not match its hash.');
  }
}

async function checkLarge(frame: PlacedFrame, bytesOf: BytesOf): Promise<void> {
  // Copies: a stream reads ahead, while the window moves on.
  const copyOf: BytesOf = async (from, to) => (await bytesOf(from, to)).slice();
  for await (const _ of checkedFrame(frame, storedPieces(frame, copyOf)));
}
