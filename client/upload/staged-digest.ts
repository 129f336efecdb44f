// The SHA-256 of a file on this disk, read in pieces.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** In hexadecimal; null where the file can't be read. */
export async function fileDigest(path: string): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    for await (const part of createReadStream(path, { highWaterMark: 1_048_576 }))
      hash.update(part as Buffer);
    return hash.digest('hex');
  } catch {
    return null;
  }
}
