// Writing what arrives: every byte in its place whatever the pieces, and all of it kept when the stream breaks.
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeStreamToFile } from '../../server/write-stream-to-file.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mailferry-write-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function* pieces(bytes: Uint8Array, size: number, breakAt = Number.POSITIVE_INFINITY) {
  for (let at = 0; at < bytes.length; at += size) {
    if (at >= breakAt) throw new Error('cut');
    yield bytes.subarray(at, at + size);
  }
}

async function fileOf(length: number): Promise<string> {
  const path = join(directory, randomBytes(8).toString('hex'));
  await writeFile(path, Buffer.alloc(length, 7));
  return path;
}

it('puts pieces of any size in their place, and tells rising offsets up to the last', async () => {
  for (const size of [1, 1_000, 65_536, 3_000_000]) {
    const bytes = randomBytes(size === 1 ? 5_000 : 2_500_000);
    const path = await fileOf(10);
    const told: number[] = [];
    const end = await writeStreamToFile(pieces(bytes, size), path, 10, (offset) => told.push(offset));
    expect(end).toBe(10 + bytes.length);
    expect(told.at(-1)).toBe(end);
    expect(told.every((offset, index) => offset > (told[index - 1] ?? 10))).toBe(true);
    expect((await readFile(path)).subarray(10).equals(bytes)).toBe(true);
  }
});

it('keeps all that came before a break, and passes the break on', async () => {
  const bytes = randomBytes(500_000);
  const path = await fileOf(0);
  const writing = writeStreamToFile(pieces(bytes, 10_000, 300_000), path, 0, () => undefined);
  await expect(writing).rejects.toThrow('cut');
  expect((await readFile(path)).equals(bytes.subarray(0, 300_000))).toBe(true);
});

it('writes nothing of an empty stream and refuses a file that is not there', async () => {
  const path = await fileOf(5);
  expect(await writeStreamToFile(pieces(new Uint8Array(0), 1), path, 5, () => undefined)).toBe(5);
  const missing = join(directory, 'missing');
  await expect(writeStreamToFile(pieces(new Uint8Array(1), 1), missing, 0, () => undefined)).rejects.toThrow(
    'ENOENT',
  );
});
