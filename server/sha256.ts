// SHA-256 as shared/ wants it handed in: one call, no stream, the fastest the runtime has.
import { createHash, hash } from 'node:crypto';
import type { Sha256 } from '../shared/block.ts';

/** SHA-256 of the bytes given: 32 bytes. */
export const sha256: Sha256 = (bytes) => hash('sha256', bytes, 'buffer');

/** A SHA-256 to be fed piece by piece, for what does not fit into memory. */
export function startSha256(): { update(bytes: Uint8Array): unknown; digest(): Uint8Array } {
  return createHash('sha256');
}
