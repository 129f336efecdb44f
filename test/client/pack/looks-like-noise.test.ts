// What is stored without trying to compress it: noise is, what a compressor shrinks well is not, whatever its record length.
import { randomBytes } from 'node:crypto';
import { brotliCompressSync, constants } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { looksLikeNoise } from '../../../client/pack/looks-like-noise.ts';

const FRAME = 131_072;

function shrunkTo(bytes: Uint8Array): number {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 0, [constants.BROTLI_PARAM_LGWIN]: 18 };
  return brotliCompressSync(bytes, { params }).length / bytes.length;
}

test('noise looks like noise, and so does what was compressed', () => {
  expect(looksLikeNoise(randomBytes(FRAME))).toBe(true);
  const words = Buffer.from(Array.from({ length: 200_000 }, (_, at) => `${(at * 7919) % 104_729} `).join(''));
  expect(looksLikeNoise(brotliCompressSync(words).subarray(0, FRAME))).toBe(true);
});

test.each([
  ['zeros', () => Buffer.alloc(FRAME)],
  ['text', () => Buffer.from('a letter about nothing in particular, '.repeat(4_000)).subarray(0, FRAME)],
  ['base64 of noise', () => Buffer.from(randomBytes(FRAME).toString('base64')).subarray(0, FRAME)],
  ['UTF-16 of noise', () => Buffer.from(randomBytes(FRAME).toString('hex'), 'utf16le').subarray(0, FRAME)],
  ['half noise, half zeros', () => Buffer.concat([randomBytes(FRAME / 2), Buffer.alloc(FRAME / 2)])],
])('%s does not', (_, bytes) => {
  expect(looksLikeNoise(bytes())).toBe(false);
});

test('a few bytes tell nothing', () => {
  expect(looksLikeNoise(new Uint8Array(0))).toBe(false);
  expect(looksLikeNoise(randomBytes(20_000))).toBe(false);
});

test('records of noise with a fixed field, of any length and any field: nothing that shrinks by a fourth is taken for noise', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 4, max: 300 }),
      fc.double({ min: 0.3, max: 1, noNaN: true }),
      (record, part) => {
        const bytes = randomBytes(FRAME);
        const fixed = Math.ceil(record * part);
        for (let at = 0; at + fixed <= FRAME; at += record) bytes.fill(0, at, at + fixed);
        if (shrunkTo(bytes) < 0.75) expect(looksLikeNoise(bytes)).toBe(false);
      },
    ),
    { numRuns: 60 },
  );
});
