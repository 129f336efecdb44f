// The Merkle root is the one of RFC 6962, however it was added up.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../shared/byte-codec.ts';
import { MerkleSum, merkleRoot } from '../../shared/merkle.ts';
import { joined } from './damage.ts';
import { sha256, sha256Hex } from './sha256.ts';

/** RFC 6962 section 2.1, word for word: MTH({}), MTH({d0}), MTH(D[n]) with k the largest power of two below n. */
function mth(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256('');
  if (leaves.length === 1) return sha256(joined(Uint8Array.of(0), leaves[0]!));
  let k = 1;
  while (2 * k < leaves.length) k *= 2;
  return sha256(joined(Uint8Array.of(1), mth(leaves.slice(0, k)), mth(leaves.slice(k))));
}

const leavesOf = (n: number) => Array.from({ length: n }, (_, i) => sha256(`block ${i}`));
const pushed = (leaves: readonly Uint8Array[]) => {
  const sum = new MerkleSum(sha256);
  for (const leaf of leaves) sum.push(leaf);
  return sum;
};

describe('the root', () => {
  // By hand: sha256sum of nothing; of 00 and SHA-256("abc"); of 01 and the leaves of SHA-256("abc") and SHA-256("").
  it.each([
    [[], 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    [['abc'], '8a7deab2cc5ee003b6394337538a52b3198f1a6ddeb10c7daf62fe1c9834b43b'],
    [['abc', ''], 'fb12d6ae208106a73219c7c61bcebf429a6d9ae5c1dc35159a205814458234c5'],
  ])('of %j is known', (blocks, hex) => {
    expect(toHex(merkleRoot(joined(...blocks.map(sha256)), sha256))).toBe(hex);
  });

  it('equals RFC 6962 written down plainly, for 0 to 200 blocks', () => {
    const leaves = leavesOf(200);
    const sum = new MerkleSum(sha256);
    for (let n = 0; n <= leaves.length; n++) {
      const expected = toHex(mth(leaves.slice(0, n)));
      expect(toHex(merkleRoot(joined(...leaves.slice(0, n)), sha256)), `${n} blocks`).toBe(expected);
      // The same sum goes on after it was asked: root() takes nothing away.
      expect(toHex(sum.root()), `${n} blocks, one sum`).toBe(expected);
      if (n < leaves.length) sum.push(leaves[n]!);
    }
  });

  it('is another one for other blocks, another order, another number', () => {
    const leaves = leavesOf(40);
    const roots = new Set([toHex(mth(leaves))]);
    for (let i = 0; i < leaves.length; i++) {
      roots.add(toHex(pushed(leaves.toSpliced(i, 1)).root()));
      roots.add(toHex(pushed(leaves.toSpliced(i, 0, leaves[i]!)).root()));
      roots.add(toHex(pushed(leaves.toSpliced(i, 1, sha256('other'))).root()));
      if (i > 0) roots.add(toHex(pushed(leaves.toSpliced(i - 1, 2, leaves[i]!, leaves[i - 1]!)).root()));
    }
    expect(roots.size).toBe(1 + 4 * leaves.length - 1);
  });

  it('does not take a node for a leaf', () => {
    const [a, b, c, d] = leavesOf(4) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const inner = pushed([pushed([a, b]).root(), pushed([c, d]).root()]).root();
    expect(toHex(inner)).not.toBe(toHex(pushed([a, b, c, d]).root()));
  });

  it.each([0, 31, 33])('is refused over a block hash of %d bytes', (length) => {
    const sum = pushed(leavesOf(1));
    expect(() => sum.push(new Uint8Array(length))).toThrow(RangeError);
  });

  it('is refused over hashes cut short, also where the rest of the one before would fill it up', () => {
    const same = joined(sha256('zeros'), sha256('zeros'));
    expect(() => merkleRoot(same.subarray(0, 50), sha256)).toThrow(RangeError);
  });
});

describe('subtrees', () => {
  it('of pages of 16 blocks add up to the root of the blocks, for 0 to 200 blocks', () => {
    const leaves = leavesOf(200);
    for (let n = 0; n <= leaves.length; n++) {
      const sum = new MerkleSum(sha256);
      const full = n - (n % 16);
      for (let at = 0; at < full; at += 16) sum.pushSubtree(mth(leaves.slice(at, at + 16)), 4);
      for (const leaf of leaves.slice(full, n)) sum.push(leaf);
      expect(toHex(sum.root()), `${n} blocks`).toBe(toHex(mth(leaves.slice(0, n))));
    }
  });

  it('of any aligned heights add up to the root of the blocks', () => {
    fc.assert(
      fc.property(fc.nat(150), fc.infiniteStream(fc.nat(7)), (n, wishes) => {
        const leaves = leavesOf(n);
        const sum = new MerkleSum(sha256);
        for (let at = 0; at < n; ) {
          // The highest that is aligned here and fits, or a lower one by chance.
          let height = wishes.next().value;
          while (at % 2 ** height !== 0 || at + 2 ** height > n) height--;
          sum.pushSubtree(mth(leaves.slice(at, at + 2 ** height)), height);
          at += 2 ** height;
        }
        expect(toHex(sum.root())).toBe(toHex(mth(leaves)));
      }),
      { numRuns: 200 },
    );
  });

  it('are refused where they are not aligned, and the sum stays as it was', () => {
    const leaves = leavesOf(5);
    const sum = pushed(leaves);
    expect(() => sum.pushSubtree(sha256('page'), 4)).toThrow(RangeError);
    expect(() => sum.pushSubtree(sha256('pair'), 1)).toThrow(RangeError);
    expect(toHex(sum.root())).toBe(toHex(mth(leaves)));
  });
});

it('hashes the hash, not the block: a leaf is SHA-256(00, SHA-256(block))', () => {
  const block = sha256('abc');
  expect(toHex(pushed([block]).root())).toBe(sha256Hex(joined(Uint8Array.of(0), block)));
});
