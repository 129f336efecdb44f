// zstd frames: unfolded like those of brotli, bounded, and taken in one form only, in one call and in pieces alike.
import { randomBytes } from 'node:crypto';
import { constants, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ONE_CALL_BYTES, unfoldFrame } from '../../../server/pack/unfold-frame.ts';
import { CODECS, MAX_FRAME_RAW } from '../../../shared/pack.ts';
import { ZstdForm } from '../../../shared/zstd-form.ts';

/** Half noise, half text. */
function rawOf(length: number): Buffer {
  const raw = randomBytes(length);
  raw.fill('the same again and again ', 0, Math.ceil(length / 2));
  return raw;
}

function zstd(raw: Uint8Array, params: Record<number, number | boolean> = {}): Buffer {
  return zstdCompressSync(raw, { chunkSize: raw.length + (raw.length >> 8) + 1_024, params });
}

async function unfolded(stored: Uint8Array, rawLength: number): Promise<{ raw: Buffer; given: number }> {
  const parts: Uint8Array[] = [];
  let given = 0;
  const read = async (position: number, into: Uint8Array) =>
    into.set(stored.subarray(position, position + into.length));
  for await (const piece of unfoldFrame(
    { codec: CODECS.zstd, rawLength, storedLength: stored.length },
    read,
  )) {
    parts.push(Buffer.from(piece));
    given += piece.length;
  }
  return { raw: Buffer.concat(parts), given };
}

const SIZES = [1, 100, 255, 256, 65_791, 65_792, 131_072, ONE_CALL_BYTES, ONE_CALL_BYTES + 1, MAX_FRAME_RAW];

describe('a zstd frame', () => {
  test.each(SIZES)('of %i raw bytes unfolds to them', async (length) => {
    const raw = rawOf(length);
    expect((await unfolded(zstd(raw), length)).raw.equals(raw)).toBe(true);
  });

  test.each([1, 3, 12, 19])('of level %i too, also with a window smaller than it', async (level) => {
    const raw = rawOf(2_000_000);
    for (const window of [17, 23]) {
      const params = {
        [constants.ZSTD_c_compressionLevel]: level,
        [constants.ZSTD_c_windowLog]: window,
      };
      expect((await unfolded(zstd(raw, params), raw.length)).raw.equals(raw)).toBe(true);
    }
  });

  test('is followed alike in pieces of any size', () => {
    const raw = rawOf(300_000);
    const stored = zstd(raw);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), (size) => {
        const form = new ZstdForm(raw.length);
        for (let at = 0; at < stored.length; at += size) form.push(stored.subarray(at, at + size));
        form.end();
      }),
      { numRuns: 30 },
    );
  });
});

/** Sizes that are unfolded in one call, and in pieces. */
const WAYS = [200_000, 3_000_000];
const skippable = Buffer.from('502a4d180400000001020304', 'hex');

/** A frame of blocks of one repeated byte: five bytes make 128 KiB. */
function bomb(rawLength: number, blocks: number): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(rawLength);
  const block = (last: boolean) => {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(Number(last) | (1 << 1) | (131_072 << 3));
    return Buffer.concat([head.subarray(0, 3), Buffer.of(7)]);
  };
  const all = Array.from({ length: blocks }, (_, at) => block(at === blocks - 1));
  return Buffer.concat([Buffer.from('28b52ffda0', 'hex'), size, ...all]);
}

/** A frame of `raw` whose head byte and what follows it are replaced. */
const headed = (head: string, stored: Buffer, from: number) =>
  Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.from(head, 'hex'), stored.subarray(from)]);

const sizeOf = (length: number) => {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(length);
  return size.toString('hex');
};

const HOSTILE: Readonly<Record<string, (raw: Buffer) => Uint8Array>> = {
  'cut off by a byte': (raw) => zstd(raw).subarray(0, -1),
  'cut off in its header': (raw) => zstd(raw).subarray(0, 7),
  empty: () => new Uint8Array(0),
  'followed by a byte': (raw) => Buffer.concat([zstd(raw), Buffer.of(0)]),
  'followed by another': (raw) => Buffer.concat([zstd(raw), zstd(raw)]),
  'made of two frames': (raw) =>
    Buffer.concat([zstd(raw.subarray(0, raw.length / 2)), zstd(raw.subarray(raw.length / 2))]),
  'behind a skippable frame': (raw) => Buffer.concat([skippable, zstd(raw)]),
  'before a skippable frame': (raw) => Buffer.concat([zstd(raw), skippable]),
  'skippable alone': () => skippable,
  'of one byte more': (raw) => zstd(Buffer.concat([raw, Buffer.of(1)])),
  'of one byte less': (raw) => zstd(raw.subarray(1)),
  'of no stated length': (raw) => zstd(raw, { [constants.ZSTD_c_contentSizeFlag]: 0 }),
  'with a checksum': (raw) => zstd(raw, { [constants.ZSTD_c_checksumFlag]: 1 }),
  'with a dictionary id': (raw) => headed(`a105${sizeOf(raw.length)}`, zstd(raw), 9),
  'with a reserved bit': (raw) => headed(`a8${sizeOf(raw.length)}`, zstd(raw), 9),
  'with the unused bit': (raw) => headed(`b0${sizeOf(raw.length)}`, zstd(raw), 9),
  'with its length in eight bytes': (raw) => headed(`e0${sizeOf(raw.length)}00000000`, zstd(raw), 9),
  'with a window of 4 GiB': (raw) => headed(`80b0${sizeOf(raw.length)}`, zstd(raw), 9),
  'with a window of 9 MiB': (raw) => headed(`8069${sizeOf(raw.length)}`, zstd(raw), 9),
  'of an older format': (raw) => {
    const old = Buffer.from(zstd(raw));
    old[0] = 0x27;
    return old;
  },
  'with an empty block': (raw) => {
    const stored = zstd(raw);
    return Buffer.concat([stored.subarray(0, 9), Buffer.of(0, 0, 0), stored.subarray(9)]);
  },
  'with a block of the reserved type': (raw) =>
    Buffer.concat([zstd(raw).subarray(0, 9), Buffer.of(0x0f, 0, 0), Buffer.of(1)]),
  'a bomb that says its length': () => bomb(MAX_FRAME_RAW * 16, 1_024),
  'a bomb that says another length': (raw) => bomb(raw.length, 1_024),
  'blocks of fewer bytes than it says': (raw) => bomb(raw.length, 1),
  noise: () => randomBytes(1_000),
};

describe.each(WAYS)('a frame said to have %i raw bytes is refused, and never makes more', (length) => {
  const raw = rawOf(length);
  test.each(Object.keys(HOSTILE))('%s', async (name) => {
    const stored = HOSTILE[name]!(raw);
    const given: number[] = [];
    const read = async (position: number, into: Uint8Array) =>
      into.set(stored.subarray(position, position + into.length));
    const unfold = async () => {
      const frame = { codec: CODECS.zstd, rawLength: length, storedLength: stored.length };
      for await (const piece of unfoldFrame(frame, read)) given.push(piece.length);
    };
    await expect(unfold()).rejects.toMatchObject({ code: 'malformed' });
    expect(given.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(length);
  });
});
