// What the bytes of a version add up to while they come: the Merkle root, which the server proved, and the SHA-256 of the whole.
import { createHash } from 'node:crypto';
import { COARSE } from '../../shared/block.ts';
import { toHex } from '../../shared/byte-codec.ts';
import { MerkleSum } from '../../shared/merkle.ts';
import { sha256 } from '../fingerprint/block-hashes.ts';

export interface Sums {
  /** Both in lower-case hexadecimal. */
  readonly root: string;
  readonly sha256: string;
}

/** Adds up both sums of a version from its first byte on, in the memory of one coarse block. */
export class ContentSum {
  readonly #whole = createHash('sha256');
  readonly #root = new MerkleSum(sha256);
  readonly #block = Buffer.allocUnsafe(COARSE);
  #filled = 0;

  /** The next bytes of the version; they are the caller's again when this returns. */
  update(bytes: Uint8Array): void {
    this.#whole.update(bytes);
    let at = 0;
    while (at < bytes.length) {
      if (this.#filled === 0 && bytes.length - at >= COARSE) {
        this.#root.push(sha256(bytes.subarray(at, at + COARSE)));
        at += COARSE;
        continue;
      }
      const part = bytes.subarray(at, at + COARSE - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === COARSE) this.#pushBlock();
    }
  }

  /** The sums over all bytes; nothing may be added afterwards. */
  finish(): Sums {
    if (this.#filled > 0) this.#pushBlock();
    return { root: toHex(this.#root.root()), sha256: this.#whole.digest('hex') };
  }

  #pushBlock(): void {
    this.#root.push(sha256(this.#block.subarray(0, this.#filled)));
    this.#filled = 0;
  }
}
