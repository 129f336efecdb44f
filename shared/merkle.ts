// The Merkle root over SHA-256 hashes of blocks: what a version's, and a pack frame's, bytes are.
import type { Sha256 } from './block.ts';

/*
 * Shape and prefixes are those of RFC 6962 section 2.1: a leaf is SHA-256(0x00 | block hash), a node is
 * SHA-256(0x01 | left | right), and a list of n leaves is split at the largest power of two below n. So a leaf can't be
 * passed off as a node, and subtrees over aligned runs of 2^k leaves can be kept and combined: a change costs what
 * it touches. No leaves at all: SHA-256 of nothing.
 */

// What is hashed next, for all sums: they are hashed at once, and a sum of two leaves would be made up of little else.
const leaf = Uint8Array.of(0, ...new Uint8Array(32));
const node = Uint8Array.of(1, ...new Uint8Array(64));

/** Adds up a root from left to right in O(log n) memory. */
export class MerkleSum {
  readonly #sha256: Sha256;
  /** Perfect subtrees not yet merged, largest first; strictly falling heights. */
  readonly #pending: { height: number; hash: Uint8Array }[] = [];

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /** Appends one block by its 32-byte SHA-256. */
  push(blockHash: Uint8Array): this {
    // A shorter one would silently be filled up with the end of the one before.
    if (blockHash.length !== 32) throw new RangeError('a block hash is 32 bytes');
    leaf.set(blockHash, 1);
    return this.pushSubtree(this.#sha256(leaf), 0);
  }

  /** Appends the root of 2^height blocks; every subtree before it must be at least as high. */
  pushSubtree(root: Uint8Array, height: number): this {
    let hash = root;
    let level = height;
    for (let last = this.#pending.at(-1); last?.height === level; last = this.#pending.at(-1)) {
      this.#pending.pop();
      hash = this.#join(last.hash, hash);
      level++;
    }
    const last = this.#pending.at(-1);
    if (last && last.height < level) throw new RangeError('a subtree can only follow one at least as high');
    this.#pending.push({ height: level, hash });
    return this;
  }

  #join(left: Uint8Array, right: Uint8Array): Uint8Array {
    node.set(left, 1);
    node.set(right, 33);
    return this.#sha256(node);
  }

  /** The root over everything pushed; more may be pushed afterwards. */
  root(): Uint8Array {
    let hash: Uint8Array | undefined;
    for (const subtree of this.#pending.toReversed())
      hash = hash ? this.#join(subtree.hash, hash) : subtree.hash;
    return hash ?? this.#sha256(new Uint8Array(0));
  }
}

/** The root over the 32-byte block hashes that lie one after another in `hashes`. */
export function merkleRoot(hashes: Uint8Array, sha256: Sha256): Uint8Array {
  const sum = new MerkleSum(sha256);
  for (let at = 0; at < hashes.length; at += 32) sum.push(hashes.subarray(at, at + 32));
  return sum.root();
}
