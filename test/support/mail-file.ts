// Large files that look like a mail store to a compressor and to a diff: real store bytes, spliced and salted by a seed.
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { sampleStores } from '../../client/sources/sample-stores.ts';
import { randomBytes, seededRandom } from './random.ts';

/** The sample stores of pst-extractor, in the order PST, OST, OST. */
export function samplePaths(): string[] {
  const samples = sampleStores();
  if (!samples) throw new Error('pst-extractor is not installed: run npm ci');
  return [samples.pst, ...samples.osts];
}

const BLOCK = 8_176;

/** Writes `size` bytes to `path`: a third of the 8 KiB blocks random, the rest real ones with a few bytes changed. */
export function makeMailFile(path: string, size: number, seed: number): void {
  const random = seededRandom(seed);
  const real = readFileSync(samplePaths()[0]!);
  const file = openSync(path, 'w');
  try {
    let written = writeSync(file, real.subarray(0, Math.min(size, 16_384)));
    while (written < size) {
      const length = Math.min(size - written, 1_048_576);
      const piece = Buffer.allocUnsafe(length);
      for (let at = 0; at < length; at += BLOCK) {
        const part = Math.min(BLOCK, length - at);
        if (random() < 0.33) randomBytes(random, part).copy(piece, at);
        else real.copy(piece, at, Math.floor(random() * (real.length - BLOCK)), undefined);
        piece.writeUInt32LE((random() * 4_294_967_296) >>> 0, Math.min(at + 64, length - 4));
      }
      written += writeSync(file, piece);
    }
  } finally {
    closeSync(file);
  }
}

/** Overwrites `count` pieces of 512 to 8,192 bytes all over the file: a day's work. */
export function changeMailFile(path: string, count: number, seed: number): void {
  const random = seededRandom(seed);
  const { size } = statSync(path);
  const file = openSync(path, 'r+');
  try {
    for (let i = 0; i < count; i++) {
      const length = 512 * (1 + Math.floor(random() * 16));
      writeSync(
        file,
        randomBytes(random, length),
        0,
        length,
        Math.floor((random() * (size - length)) / 64) * 64,
      );
    }
  } finally {
    closeSync(file);
  }
}

/** SHA-256 of a file in hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path, { highWaterMark: 1_048_576 })) hash.update(part as Buffer);
  return hash.digest('hex');
}
