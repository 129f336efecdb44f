// The stored bytes of a frame, piece by piece, from whoever can read them.
import type { PlacedFrame } from '../shared/pack.ts';

/** Stored bytes read at a time. */
const PIECE = 262_144;

/** Reads the bytes of a pack from `from` (inclusive) to `to` (exclusive). */
export type BytesOf = (from: number, to: number) => Promise<Uint8Array>;

/** The stored bytes of a frame in pieces of at most 256 KiB, in order. */
export async function* storedPieces(
  { storedOffset, storedLength }: Pick<PlacedFrame, 'storedOffset' | 'storedLength'>,
  bytesOf: BytesOf,
): AsyncGenerator<Uint8Array> {
  const end = storedOffset + storedLength;
  for (let at = storedOffset; at < end; at += PIECE) yield bytesOf(at, Math.min(end, at + PIECE));
}
