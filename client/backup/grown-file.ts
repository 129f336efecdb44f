// A live file that grew while it was read: whether what was read of it is a state that it was in.
import { createHash } from 'node:crypto';
import type { OpenFile } from '../far/file-asks.ts';

const PIECE_BYTES = 1_048_576;

/**
 * Whether the first `size` bytes still have this SHA-256 (hexadecimal). If so, each block held what was read from before this second
 * read began until after the first one ended, so that at that moment the file began with exactly these bytes: a version of them is
 * true. A program that changes bytes and puts them back between the two reads is not seen. False where it can't be read, or after a
 * stop.
 */
export async function stillBegins(
  file: OpenFile,
  { size, sha256, stop }: { readonly size: number; readonly sha256: string; readonly stop: AbortSignal },
): Promise<boolean> {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(1, size)));
  try {
    for (let at = 0; at < size; ) {
      if (stop.aborted) return false;
      const { bytesRead } = await file.read(piece, 0, Math.min(piece.length, size - at), at);
      if (bytesRead === 0) return false;
      hash.update(piece.subarray(0, bytesRead));
      at += bytesRead;
    }
  } catch {
    return false;
  }
  return hash.digest('hex') === sha256;
}
