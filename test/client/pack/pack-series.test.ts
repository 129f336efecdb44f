// Runs become packs: whatever is added comes out of the sealed files, byte for byte, with hashes that prove it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { sha256 } from '../../../client/fingerprint/block-hashes.ts';
import { frameSettings } from '../../../client/pack/frame-settings.ts';
import type { SealedRuns, PackSeries as Series } from '../../../client/pack/pack-series.ts';
import type { Packer as PackerOf } from '../../../client/pack/packer.ts';
import { COARSE } from '../../../shared/block.ts';
import { toHex } from '../../../shared/byte-codec.ts';
import { CODECS, frameHash, indexOffset, PACK_FOOTER_BYTES, parsePackTail } from '../../../shared/pack.ts';
import { randomBytes, seededRandom } from '../../support/random.ts';
import { tempDir } from '../../support/temp-dir.ts';

const dist = new URL('../../../dist/client/pack/', import.meta.url);
const load = async (name: string) => import(pathToFileURL(fileURLToPath(new URL(name, dist))).href);

/** The raw bytes of a pack file, every frame checked. */
function rawOf(path: string, id: string): Buffer {
  const file = readFileSync(path);
  expect(toHex(sha256(file))).toBe(id);
  const offset = indexOffset(file.subarray(-PACK_FOOTER_BYTES), file.length);
  const frames = parsePackTail(file.subarray(offset), offset, sha256);
  return Buffer.concat(
    frames.map((frame) => {
      const stored = file.subarray(frame.storedOffset, frame.storedOffset + frame.storedLength);
      const raw = frame.codec === CODECS.stored ? stored : brotliDecompressSync(stored);
      expect(frameHash(raw, sha256)).toEqual(Buffer.from(frame.hash));
      return raw;
    }),
  );
}

test.each([
  ['a day', 1_000_000, 1_000_000],
  ['a first backup', 1_000_000_000, 0],
])('%s', async (_name, size, baseSize) => {
  // The worker is a program of its own: what is tested is what is built.
  const { Packer } = (await load('packer.js')) as { Packer: new () => PackerOf };
  const { PackSeries } = (await load('pack-series.js')) as { PackSeries: typeof Series };
  const folder = tempDir();
  const sealed: SealedRuns[] = [];
  const packer = new Packer();
  onTestFinished(() => packer.close());
  const series = new PackSeries({
    packer,
    settings: frameSettings(size, baseSize),
    pathOf: (number) => join(folder, `${number}.pack`),
    onSealed: async (pack) => {
      sealed.push(pack);
    },
  });
  const random = seededRandom(size);
  const source = new Map<number, Buffer>();
  for (let block = 0; block < 700; block++) {
    const whole = random() < 0.7;
    const length = whole ? COARSE : 1024 * (1 + Math.floor(random() * 20));
    const bytes = random() < 0.5 ? randomBytes(random, length) : Buffer.alloc(length, block);
    source.set(block * COARSE, bytes);
    await series.add(block * COARSE, bytes, whole ? sha256(bytes) : undefined);
    series.blocksDone(block + 1);
  }
  expect(await series.finish(700)).toBe(sealed.length);
  expect(sealed.length).toBeGreaterThan(0);
  let through = 0;
  const seen = new Map<number, Buffer>();
  for (const { number, pack, runs, through: upTo } of sealed) {
    expect(upTo).toBeGreaterThan(through);
    through = upTo;
    const raw = rawOf(join(folder, `${number}.pack`), pack.id);
    expect(raw.length).toBe(pack.rawBytes);
    let offset = 0;
    for (const { at, length } of runs) {
      seen.set(at, raw.subarray(offset, offset + length));
      offset += length;
    }
    expect(offset).toBe(raw.length);
  }
  const joined = (parts: Map<number, Buffer>) =>
    Buffer.concat([...parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes));
  expect(joined(seen).equals(joined(source))).toBe(true);
  expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).toEqual([]);
});
