// The three hashes of a block, under the keys that the device's secret gives.
import { hash, hkdfSync } from 'node:crypto';
import type { Sha256 } from '../../shared/block.ts';
import { latin1Bytes } from '../../shared/byte-codec.ts';
import { blockTag, TAG_KEY_BYTES } from './block-tag.ts';
import { FINE_KEY_BYTES, FineHasher } from './fine-hash.ts';

export interface BlockHashes {
  tag(block: Uint8Array): Uint8Array;
  sha256(block: Uint8Array): Uint8Array;
  /** A view, valid until the next call. */
  fine(block: Uint8Array): Uint8Array;
}

/** SHA-256: 32 bytes. By way of a string: of 65 bytes it takes half as long as the one that Node gives as a buffer (22 and 24). */
export const sha256: Sha256 = (bytes) => latin1Bytes(hash('sha256', bytes, 'binary'));

/** Hashes under keys derived (HKDF, RFC 5869) from the device's secret of 32 bytes. */
export function blockHashes(secret: Uint8Array): BlockHashes {
  const derive = (purpose: string, length: number) =>
    new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), `mailferry ${purpose}`, length));
  const tagKey = derive('block tag', TAG_KEY_BYTES);
  const fine = new FineHasher(derive('fine hash', FINE_KEY_BYTES));
  return { tag: (block) => blockTag(tagKey, block), sha256, fine: (block) => fine.hash(block) };
}
