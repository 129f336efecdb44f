// The fine hash is what its text says: the bytes are the assembled fine-hash.wat, and they compute NH.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import wabt from 'wabt';
import { blockHashes } from '../../../client/fingerprint/block-hashes.ts';
import { FINE_KEY_BYTES, FineHasher } from '../../../client/fingerprint/fine-hash.ts';

const source = new URL('../../../client/fingerprint/', import.meta.url);

test('the module in the code is fine-hash.wat, assembled', async () => {
  const wat = readFileSync(new URL('fine-hash.wat', source), 'utf8');
  const { parseWat } = await wabt();
  const { buffer } = parseWat('fine-hash.wat', wat, { simd: true }).toBinary({});
  expect(readFileSync(new URL('fine-hash.ts', source), 'utf8')).toContain(
    Buffer.from(buffer).toString('base64'),
  );
});

/** NH by its definition (RFC 4418 section 5.2.2), slowly. */
function nh(key: Buffer, block: Buffer): Buffer {
  const padded = Buffer.concat([block, Buffer.alloc(1024 - block.length)]);
  let sum = 0n;
  for (let at = 0; at < 1024; at += 32) {
    for (let i = 0; i < 16; i += 4) {
      const a = BigInt((padded.readUInt32LE(at + i) + key.readUInt32LE(at + i)) >>> 0);
      const b = BigInt((padded.readUInt32LE(at + 16 + i) + key.readUInt32LE(at + 16 + i)) >>> 0);
      sum = (sum + a * b) & 0xffff_ffff_ffff_ffffn;
    }
  }
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(sum);
  return out;
}

test.each([65_536, 65_535, 1_025, 1_024, 1_000, 1])('equals NH for a block of %d bytes', (length) => {
  const key = randomBytes(FINE_KEY_BYTES);
  const block = randomBytes(length);
  const hasher = new FineHasher(key);
  // What an earlier, longer block left behind must not matter.
  hasher.hash(randomBytes(65_536));
  const expected = Array.from({ length: Math.ceil(length / 1024) }, (_, i) =>
    nh(key, block.subarray(i * 1024, i * 1024 + 1024)),
  );
  expect(Buffer.from(hasher.hash(block))).toEqual(Buffer.concat(expected));
});

test('hashes depend on the secret, and on nothing else', () => {
  const block = randomBytes(65_536);
  const [a, b, c] = [
    blockHashes(Buffer.alloc(32, 1)),
    blockHashes(Buffer.alloc(32, 1)),
    blockHashes(Buffer.alloc(32, 2)),
  ];
  expect(a.tag(block)).toEqual(b.tag(block));
  expect(Buffer.from(a.fine(block))).toEqual(Buffer.from(b.fine(block)));
  expect(a.tag(block)).not.toEqual(c.tag(block));
  expect(Buffer.from(a.fine(block))).not.toEqual(Buffer.from(c.fine(block)));
});
