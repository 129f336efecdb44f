// Large frames in pieces: the same bytes and the same hash as in one call, and the same refusals.
import { randomBytes } from 'node:crypto';
import { brotliCompressSync, constants } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { hashOfPieces, ONE_CALL_BYTES, PIECE_BYTES, unfoldFrame } from '../../../server/pack/unfold-frame.ts';
import { sha256 } from '../../../server/sha256.ts';
import { CODECS, frameHash } from '../../../shared/pack.ts';

/** Half noise, half text: it shrinks, but not to nothing. */
function rawOf(length: number): Buffer {
  const raw = randomBytes(length);
  raw.fill('the same again and again ', 0, Math.floor(length / 2));
  return raw;
}

function compressed(raw: Uint8Array): Buffer {
  return brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } });
}

function readerOf(stored: Uint8Array) {
  return async (position: number, into: Uint8Array): Promise<void> => {
    into.set(stored.subarray(position, position + into.length));
  };
}

async function gathered(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts);
}

function frameOf(raw: Uint8Array, stored: Uint8Array, codec: 0 | 1 = CODECS.brotli) {
  return { codec, rawLength: raw.length, storedLength: stored.length };
}

const LENGTHS = [1, 65_536, ONE_CALL_BYTES, ONE_CALL_BYTES + 1, 3_000_017, 8_388_608];

describe('a frame', () => {
  it.each(LENGTHS)(
    'of %i bytes unfolds to them, in pieces that are small, compressed or stored',
    async (length) => {
      const raw = rawOf(length);
      const stored = compressed(raw);
      expect((await gathered(unfoldFrame(frameOf(raw, stored), readerOf(stored)))).equals(raw)).toBe(true);
      const plain = frameOf(raw, raw, CODECS.stored);
      expect((await gathered(unfoldFrame(plain, readerOf(raw)))).equals(raw)).toBe(true);
      if (length <= ONE_CALL_BYTES) return;
      for await (const piece of unfoldFrame(frameOf(raw, stored), readerOf(stored)))
        expect(piece.length).toBeLessThanOrEqual(PIECE_BYTES);
    },
  );

  it.each(LENGTHS)('of %i bytes has the same hash however it is cut', async (length) => {
    const raw = rawOf(length);
    for (const size of [PIECE_BYTES, 65_536, 100_003]) {
      async function* pieces() {
        for (let at = 0; at < length; at += size) yield raw.subarray(at, at + size);
      }
      expect(await hashOfPieces(pieces(), length)).toEqual(frameHash(raw, sha256));
    }
  });

  it.each([
    ['one byte more than stated', (raw: Buffer) => raw.subarray(1), (stored: Buffer) => stored],
    [
      'one byte less than stated',
      (raw: Buffer) => Buffer.concat([raw, Buffer.alloc(1)]),
      (stored: Buffer) => stored,
    ],
    ['an end cut off', (raw: Buffer) => raw, (stored: Buffer) => stored.subarray(0, -100)],
    [
      'noise',
      (raw: Buffer) => raw,
      (stored: Buffer) => Buffer.concat([Buffer.alloc(9, 255), stored.subarray(9)]),
    ],
  ])('with %s is malformed', async (_name, stated, damage) => {
    const raw = rawOf(3_000_000);
    const stored = damage(compressed(raw));
    const frame = { ...frameOf(stated(raw), stored), storedLength: stored.length };
    await expect(gathered(unfoldFrame(frame, readerOf(stored)))).rejects.toMatchObject({ code: 'malformed' });
  });

  it('that is a bomb ends where its length says, not where its bytes do', async () => {
    const stored = compressed(Buffer.alloc(200_000_000));
    const frame = { codec: CODECS.brotli, rawLength: 2_000_000, storedLength: stored.length };
    let length = 0;
    const unfolding = async () => {
      for await (const piece of unfoldFrame(frame, readerOf(stored))) length += piece.length;
    };
    await expect(unfolding()).rejects.toMatchObject({ code: 'malformed' });
    expect(length).toBeLessThanOrEqual(2_000_000);
  });

  it('passes on what reading fails with', async () => {
    const raw = rawOf(3_000_000);
    const stored = compressed(raw);
    const failing = async (position: number, into: Uint8Array) => {
      if (position > 500_000) throw new Error('EIO');
      await readerOf(stored)(position, into);
    };
    await expect(gathered(unfoldFrame(frameOf(raw, stored), failing))).rejects.toThrow('EIO');
  });
});
