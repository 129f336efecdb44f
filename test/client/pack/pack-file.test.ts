// One pack file: what a reader of the format finds in it is what was added; it has its name only when it is whole.
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha256 } from '../../../client/fingerprint/block-hashes.ts';
import { type FrameSettings, frameSettings } from '../../../client/pack/frame-settings.ts';
import { PackFile, WRITE_BYTES } from '../../../client/pack/pack-file.ts';
import { COARSE } from '../../../shared/block.ts';
import { toHex } from '../../../shared/byte-codec.ts';
import { CODECS, CODECS_OF_ALL, frameHash, MAX_FRAME_RAW } from '../../../shared/pack.ts';
import { openFilesBelow } from '../../support/client/open-files.ts';
import { readPack } from '../../support/client/read-pack.ts';
import { randomBytes, seededRandom } from '../../support/random.ts';
import { tempDir } from '../../support/temp-dir.ts';

const DAY = frameSettings(0, 0, CODECS_OF_ALL);
const random = seededRandom(1);
const noise = (length: number) => randomBytes(random, length);
const text = (length: number) => Buffer.alloc(length, 'Dear all, please find attached. ');
const packFile = (path: string) => new PackFile(path, new Uint8Array(WRITE_BYTES));

describe('sealed', () => {
  test('parses, unfolds to what was added, and has the hash of its bytes for an id', () => {
    const folder = tempDir();
    const path = join(folder, '0.pack');
    const file = packFile(path);
    const added = [text(200_000), noise(100_000), text(1), noise(1), Buffer.alloc(MAX_FRAME_RAW)];
    for (const raw of added) file.add(raw, DAY, undefined);
    expect(readdirSync(folder)).toEqual(['0.pack.new']);
    const sealed = file.seal();
    expect(readdirSync(folder)).toEqual(['0.pack']);
    const read = readPack(path);
    expect(sealed).toEqual({ id: read.id, bytes: read.bytes, rawBytes: read.raw.length });
    expect(file.bytes).toBe(read.bytes);
    expect(read.raw.equals(Buffer.concat(added))).toBe(true);
    expect(read.frames.map(({ codec }) => codec)).toEqual([
      CODECS.brotli,
      CODECS.stored,
      CODECS.stored,
      CODECS.stored,
      CODECS.brotli,
    ]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(openFilesBelow(folder)).toEqual([]);
  });

  test('of no frames at all', () => {
    const path = join(tempDir(), '0.pack');
    expect(packFile(path).seal().rawBytes).toBe(0);
    expect(readPack(path).frames).toEqual([]);
  });

  test('of the same bytes twice has the same id: nothing of time or chance is in it', () => {
    const [a, b] = ['a', 'b'].map((name) => {
      const file = packFile(join(tempDir(), name));
      file.add(text(500_000), DAY, undefined);
      return file.seal().id;
    });
    expect(a).toBe(b);
  });

  test('whatever the frames, the sizes and the settings', () => {
    const folder = tempDir();
    let files = 0;
    const frame = fc.record({
      length: fc.oneof(
        fc.integer({ min: 1, max: 3_000 }),
        fc.constantFrom(COARSE, COARSE + 1, 3 * COARSE, WRITE_BYTES + 1),
      ),
      seed: fc.integer(),
      dull: fc.boolean(),
      level: fc.constantFrom(1, 5),
      worthwhile: fc.constantFrom(0, 0.5, 1),
      skipNoise: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), (frames) => {
        const path = join(folder, `${files++}.pack`);
        const file = packFile(path);
        const added = frames.map(({ length, seed, dull, ...settings }) => {
          const raw = dull ? text(length) : randomBytes(seededRandom(seed), length);
          // One buffer for all frames, filled again as soon as add() returned: as the packer's worker does it.
          const lent = Buffer.from(raw);
          file.add(lent, { ...DAY, ...settings }, undefined);
          lent.fill(0xee);
          return raw;
        });
        const sealed = file.seal();
        const read = readPack(path);
        expect(sealed).toEqual({ id: read.id, bytes: read.bytes, rawBytes: read.raw.length });
        expect(read.raw.equals(Buffer.concat(added))).toBe(true);
        expect(read.frames).toHaveLength(frames.length);
      }),
      { numRuns: 40 },
    );
  });
});

describe('a frame that looks like noise', () => {
  // Noise to whoever counts its bytes, and half as long to whoever tries: its second half is its first.
  const half = noise(COARSE);
  const twice = Buffer.concat([half, half]);
  const codecOf = (raw: Buffer, settings: FrameSettings) => {
    const path = join(tempDir(), '0.pack');
    const file = packFile(path);
    file.add(raw, settings, undefined);
    file.seal();
    const read = readPack(path);
    expect(read.raw.equals(raw)).toBe(true);
    return read.frames.map(({ codec }) => codec);
  };

  test.each([
    ['a day', DAY],
    ['a first backup', frameSettings(1_000_000_000, 0, CODECS_OF_ALL)],
  ])('is stored untried with skipNoise, and tried without it: %s', (_name, settings) => {
    expect(codecOf(twice, { ...settings, skipNoise: true })).toEqual([CODECS.stored]);
    expect(codecOf(twice, { ...settings, skipNoise: false })).toEqual([CODECS.brotli]);
  });

  test('is the only one that skipNoise stores: text is tried, and what is too short to tell', () => {
    const settings = { ...DAY, skipNoise: true };
    expect(codecOf(text(2 * COARSE), settings)).toEqual([CODECS.brotli]);
    expect(codecOf(Buffer.concat([half.subarray(0, 8_192), half.subarray(0, 8_192)]), settings)).toEqual([
      CODECS.brotli,
    ]);
  });
});

test.each([1, 1_000, COARSE, COARSE + 1, 5 * COARSE, 5 * COARSE - 1])(
  'the hash of a frame of %d bytes is the same from known pieces as from the bytes themselves',
  (length) => {
    const raw = noise(length);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < length; at += COARSE) pieces.push(sha256(raw.subarray(at, at + COARSE)));
    const known = Buffer.concat(pieces);
    expect(toHex(frameHash(raw, sha256, known))).toBe(toHex(frameHash(raw, sha256)));
    const [withPieces, without] = [known, undefined].map((each) => {
      const file = packFile(join(tempDir(), 'pack'));
      file.add(raw, DAY, each);
      return file.seal().id;
    });
    expect(withPieces).toBe(without);
  },
);

describe('not sealed', () => {
  test('abandoned it leaves nothing, neither name nor open file', () => {
    const folder = tempDir();
    const file = packFile(join(folder, '0.pack'));
    file.add(text(3_000_000), DAY, undefined);
    expect(openFilesBelow(folder)).toEqual([join(folder, '0.pack.new')]);
    file.abandon();
    expect(readdirSync(folder)).toEqual([]);
    expect(openFilesBelow(folder)).toEqual([]);
  });

  test('it takes the place of what a process that died left under its temporary name', () => {
    const folder = tempDir();
    writeFileSync(join(folder, '0.pack.new'), Buffer.alloc(100_000, 7));
    const file = packFile(join(folder, '0.pack'));
    file.add(text(10), DAY, undefined);
    file.seal();
    expect(readPack(join(folder, '0.pack')).raw.equals(text(10))).toBe(true);
  });

  test('where there is no folder it fails at once', () => {
    expect(() => packFile(join(tempDir(), 'none', '0.pack'))).toThrow(/ENOENT/);
  });

  test('where its name is taken by a folder it fails, and leaves no file open', () => {
    const folder = tempDir();
    mkdirSync(join(folder, '0.pack', 'x'), { recursive: true });
    const file = packFile(join(folder, '0.pack'));
    file.add(text(10), DAY, undefined);
    expect(() => file.seal()).toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(openFilesBelow(folder)).toEqual([]);
    expect(existsSync(join(folder, '0.pack', 'x'))).toBe(true);
  });
});
