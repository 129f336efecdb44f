// The hashes of a block follow from the device's secret and the block, from nothing else, and are no hashes of each other's keys.
import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { type BlockHashes, blockHashes, sha256 } from '../../../client/fingerprint/block-hashes.ts';
import { blockTag, TAG_KEY_BYTES } from '../../../client/fingerprint/block-tag.ts';
import { FINE_KEY_BYTES, FineHasher } from '../../../client/fingerprint/fine-hash.ts';
import { COARSE, FINE } from '../../../shared/block.ts';
import { toHex } from '../../../shared/byte-codec.ts';
import { FINE_HASH_BYTES, TAG_BYTES } from '../../../shared/fingerprint.ts';

const block = randomBytes(COARSE);
const all = (hashes: BlockHashes, of: Uint8Array) => ({
  tag: Buffer.from(hashes.tag(of)).toString('hex'),
  fine: Buffer.from(hashes.fine(of)).toString('hex'),
  sha256: Buffer.from(hashes.sha256(of)).toString('hex'),
});

test('another bit of the secret: another tag, every fine hash another, the same SHA-256', () => {
  const secret = randomBytes(32);
  const other = Buffer.from(secret);
  other[31]! ^= 1;
  const [a, b] = [all(blockHashes(secret), block), all(blockHashes(other), block)];
  expect(a.tag).not.toBe(b.tag);
  expect(a.sha256).toBe(b.sha256);
  const digits = 2 * FINE_HASH_BYTES;
  for (let at = 0; at < a.fine.length; at += digits) {
    expect(a.fine.slice(at, at + digits)).not.toBe(b.fine.slice(at, at + digits));
  }
});

test('keys are derived as they always were: a fingerprint on the disk outlives a release', () => {
  const secret = Buffer.alloc(32, 7);
  const derive = (purpose: string, length: number) =>
    new Uint8Array(hkdfSync('sha256', secret, '', `mailferry ${purpose}`, length));
  const hashes = blockHashes(secret);
  expect(hashes.tag(block)).toEqual(blockTag(derive('block tag', TAG_KEY_BYTES), block));
  const fine = new FineHasher(derive('fine hash', FINE_KEY_BYTES));
  expect(Buffer.from(hashes.fine(block))).toEqual(Buffer.from(fine.hash(block)));
});

test('pinned: the hashes of one block under one secret', () => {
  const counted = Buffer.from(Array.from({ length: 2_000 }, (_, i) => i % 251));
  expect(all(blockHashes(Buffer.alloc(32, 7)), counted)).toEqual({
    fine: 'cfaba88f7e9e768f551f1cf071e846cf',
    sha256: '63d8d35920be456776a35578ade76725c687821ad55d4bb950225fed2d33e6cb',
    tag: '36564e81c9ad9612825a1991257d66fa',
  });
});

test.each([1, FINE, FINE + 1, COARSE])('of %d bytes they are as long as records have them', (length) => {
  const hashes = blockHashes(randomBytes(32));
  const part = block.subarray(0, length);
  expect(hashes.tag(part)).toHaveLength(TAG_BYTES);
  expect(hashes.sha256(part)).toHaveLength(32);
  expect(hashes.fine(part)).toHaveLength(Math.ceil(length / FINE) * FINE_HASH_BYTES);
});

test('SHA-256 is SHA-256, also of a part of a larger memory', () => {
  const part = block.subarray(1_000, 3_000);
  const hex = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  expect(toHex(sha256(part))).toBe(hex(part));
  expect(toHex(sha256(new Uint8Array(0)))).toBe(hex(new Uint8Array(0)));
});

test('two hashers do not share their memory', () => {
  const [a, b] = [blockHashes(randomBytes(32)), blockHashes(randomBytes(32))];
  const view = a.fine(block);
  const before = Buffer.from(view);
  b.fine(randomBytes(COARSE));
  expect(Buffer.from(view)).toEqual(before);
});
