// The tag is Poly1305 as RFC 8439 defines it, under the one-time key that ChaCha20 gives: written out here once more, slowly.
import { createCipheriv, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blockTag, TAG_KEY_BYTES } from '../../../client/fingerprint/block-tag.ts';

/** ChaCha20 block function (RFC 8439 section 2.3), all in 32-bit words. */
function chachaBlock(key: Buffer, counter: number, nonce: Buffer): Buffer {
  const words = (bytes: Buffer) =>
    Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i));
  const start = [...words(Buffer.from('expand 32-byte k')), ...words(key), counter, ...words(nonce)];
  const state = start.slice();
  const step = (to: number, from: number, mixed: number, by: number) => {
    state[to] = (state[to]! + state[from]!) >>> 0;
    const x = (state[mixed]! ^ state[to]!) >>> 0;
    state[mixed] = ((x << by) | (x >>> (32 - by))) >>> 0;
  };
  const quarter = (a: number, b: number, c: number, d: number) => {
    step(a, b, d, 16);
    step(c, d, b, 12);
    step(a, b, d, 8);
    step(c, d, b, 7);
  };
  for (let round = 0; round < 10; round++) {
    quarter(0, 4, 8, 12);
    quarter(1, 5, 9, 13);
    quarter(2, 6, 10, 14);
    quarter(3, 7, 11, 15);
    quarter(0, 5, 10, 15);
    quarter(1, 6, 11, 12);
    quarter(2, 7, 8, 13);
    quarter(3, 4, 9, 14);
  }
  const out = Buffer.alloc(64);
  for (const [i, word] of state.entries()) out.writeUInt32LE((word + start[i]!) >>> 0, 4 * i);
  return out;
}

const little = (bytes: Buffer) => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

/** Poly1305 (RFC 8439 section 2.5). */
function poly1305(key: Buffer, message: Buffer): Buffer {
  const r = little(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  const p = (1n << 130n) - 5n;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const piece = message.subarray(at, at + 16);
    sum = ((sum + little(piece) + (1n << BigInt(8 * piece.length))) * r) % p;
  }
  const tag = (sum + little(key.subarray(16, 32))) & ((1n << 128n) - 1n);
  const out = Buffer.alloc(16);
  out.writeBigUInt64LE(tag & ((1n << 64n) - 1n), 0);
  out.writeBigUInt64LE(tag >> 64n, 8);
  return out;
}

/** The construction (RFC 8439 section 2.8): the block is all associated data, of no text. */
function expected(key: Buffer, block: Uint8Array): Buffer {
  const oneTime = chachaBlock(key, 0, Buffer.alloc(12)).subarray(0, 32);
  const padding = Buffer.alloc((16 - (block.length % 16)) % 16);
  const lengths = Buffer.alloc(16);
  lengths.writeBigUInt64LE(BigInt(block.length));
  return poly1305(oneTime, Buffer.concat([block, padding, lengths]));
}

describe('what it is compared with here', () => {
  test('ChaCha20, by the example of RFC 8439 section 2.3.2', () => {
    const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
    const block = chachaBlock(key, 1, Buffer.from('000000090000004a00000000', 'hex'));
    expect(block.toString('hex')).toBe(
      '10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e' +
        'd2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e',
    );
  });

  test('Poly1305, by the example of RFC 8439 section 2.5.2', () => {
    const key = Buffer.from('85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b', 'hex');
    const tag = poly1305(key, Buffer.from('Cryptographic Forum Research Group'));
    expect(tag.toString('hex')).toBe('a8061dc1305136c6c22b8baf0c0127a9');
  });

  test('the construction, by a message that node:crypto seals the usual way', () => {
    const key = randomBytes(32);
    const aad = randomBytes(100);
    const cipher = createCipheriv('chacha20-poly1305', key, Buffer.alloc(12), { authTagLength: 16 });
    cipher.setAAD(aad, { plaintextLength: 0 });
    cipher.final();
    expect(cipher.getAuthTag()).toEqual(expected(key, aad));
  });
});

test.each([0, 1, 15, 16, 17, 1_023, 1_024, 65_535, 65_536])('of a block of %d bytes', (length) => {
  const key = randomBytes(TAG_KEY_BYTES);
  const block = randomBytes(length);
  expect(blockTag(key, block)).toEqual(expected(key, block));
});

test('of any block, also one that is a part of a larger memory', () => {
  const keys = fc.uint8Array({ minLength: TAG_KEY_BYTES, maxLength: TAG_KEY_BYTES });
  fc.assert(
    fc.property(keys, fc.uint8Array({ maxLength: 300 }), fc.nat(20), (key, block, offset) => {
      const memory = new Uint8Array(block.length + 40).fill(7);
      memory.set(block, offset);
      const tag = blockTag(key, memory.subarray(offset, offset + block.length));
      expect(tag).toEqual(expected(Buffer.from(key), block));
    }),
    { numRuns: 50 },
  );
});

test('any bit that is another, any zero more, is another tag', () => {
  const key = randomBytes(TAG_KEY_BYTES);
  const block = randomBytes(4_096);
  const tags = new Set([blockTag(key, block).toString('hex')]);
  for (let bit = 0; bit < 64; bit++) {
    const changed = Buffer.from(block);
    changed[bit * 64]! ^= 1 << (bit % 8);
    tags.add(blockTag(key, changed).toString('hex'));
  }
  for (const zeros of [1, 15, 16]) {
    tags.add(blockTag(key, Buffer.concat([block, Buffer.alloc(zeros)])).toString('hex'));
  }
  expect(tags.size).toBe(68);
});
