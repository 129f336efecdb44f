// Writing what arrives: every byte in its place whatever the pieces, all of it kept when the body breaks, none past its end.
import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { type BodyPlace, writeBody } from '../../../server/upload/write-body.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mailferry-write-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function bodyOf(bytes: Uint8Array, size: number, breakAt = Number.POSITIVE_INFINITY): Readable {
  function* pieces() {
    for (let at = 0; at < bytes.length; at += size) {
      if (at >= breakAt) throw new Error('cut');
      yield bytes.subarray(at, at + size);
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}

async function fileOf(length: number): Promise<string> {
  const path = join(directory, randomBytes(8).toString('hex'));
  await writeFile(path, Buffer.alloc(length, 7));
  return path;
}

function placeOf(path: string, more: Partial<BodyPlace> = {}): BodyPlace {
  return {
    path,
    offset: 0,
    end: Number.POSITIVE_INFINITY,
    signal: new AbortController().signal,
    written: () => undefined,
    ...more,
  };
}

it('puts pieces of any size in their place, and tells rising offsets up to the last', async () => {
  for (const size of [1, 1_000, 65_536, 262_144, 3_000_000]) {
    const bytes = randomBytes(size === 1 ? 5_000 : 2_500_000);
    const path = await fileOf(10);
    const told: number[] = [];
    const place = placeOf(path, {
      offset: 10,
      end: 10 + bytes.length,
      written: (offset) => told.push(offset),
    });
    const end = await writeBody(bodyOf(bytes, size), place);
    expect(end).toBe(10 + bytes.length);
    expect(told.at(-1)).toBe(end);
    expect(told.every((offset, index) => offset > (told[index - 1] ?? 10))).toBe(true);
    expect((await readFile(path)).subarray(10).equals(bytes)).toBe(true);
  }
});

it('writes no more than 1.25 MiB before any of it is on the disk, and then at most 2.5 MiB ahead of it', async () => {
  const path = await fileOf(0);
  const file = await open(path);
  const handle = Object.getPrototypeOf(file) as FileHandle;
  await file.close();
  let written = 0;
  const waiting: { upTo: number; done: () => void }[] = [];
  const disk = vi
    .spyOn(handle, 'datasync')
    .mockImplementation(() => new Promise((done) => waiting.push({ upTo: written, done })));
  onTestFinished(() => disk.mockRestore());
  const place = placeOf(path, {
    written: (offset) => {
      written = offset;
    },
  });
  const bytes = randomBytes(12_000_000);
  const ended = writeBody(bodyOf(bytes, 65_536), place);
  let safe = 0;
  for (const ahead of [1.25, 2, 2.5, 2.5, 2.5]) {
    const { upTo, done } = await vi.waitUntil(() => waiting.shift());
    // Until it waits for the disk.
    await vi.waitUntil(async () => {
      const before = written;
      await pause(50);
      return written === before;
    });
    expect(written).toBeGreaterThan(upTo);
    expect(written - safe).toBeLessThanOrEqual(ahead * 1_048_576);
    safe = upTo;
    done();
  }
  disk.mockResolvedValue();
  for (const { done } of waiting) done();
  expect(await ended).toBe(bytes.length);
  expect((await readFile(path)).equals(bytes)).toBe(true);
});

it('keeps bodies that come at the same time apart', async () => {
  const bodies = Array.from({ length: 6 }, () => randomBytes(1_500_000));
  const paths = await Promise.all(bodies.map(() => fileOf(0)));
  await Promise.all(bodies.map((bytes, i) => writeBody(bodyOf(bytes, 50_000 + i), placeOf(paths[i]!))));
  for (const [i, bytes] of bodies.entries()) expect((await readFile(paths[i]!)).equals(bytes)).toBe(true);
});

it('keeps all that came before a break, and passes the break on', async () => {
  const bytes = randomBytes(500_000);
  const path = await fileOf(0);
  const body = new PassThrough();
  let reached = 0;
  const writing = writeBody(
    body,
    placeOf(path, {
      written: (offset) => {
        reached = offset;
      },
    }),
  );
  body.write(bytes.subarray(0, 300_000));
  await expect.poll(() => reached).toBe(300_000);
  body.destroy(new Error('cut'));
  await expect(writing).rejects.toMatchObject({ status_code: 400 });
  expect((await readFile(path)).equals(bytes.subarray(0, 300_000))).toBe(true);
});

it('fails for a body that was broken before it was asked for', async () => {
  const body = new PassThrough();
  body.destroy();
  await expect(writeBody(body, placeOf(await fileOf(0)))).rejects.toMatchObject({ status_code: 400 });
});

it('ends where it is told to, with all that had arrived written and the body left alive', async () => {
  const bytes = randomBytes(100_000);
  const path = await fileOf(0);
  const body = new PassThrough();
  const stop = new AbortController();
  let reached = 0;
  const place = placeOf(path, {
    signal: stop.signal,
    written: (offset) => {
      reached = offset;
    },
  });
  const writing = writeBody(body, place);
  body.write(bytes);
  await expect.poll(() => reached).toBe(100_000);
  stop.abort();
  expect(await writing).toBe(100_000);
  expect(body.destroyed).toBe(false);
  expect((await readFile(path)).equals(bytes)).toBe(true);
});

it('refuses what goes on past its end, and writes nothing there', async () => {
  const path = await fileOf(0);
  const writing = writeBody(bodyOf(randomBytes(100_000), 10_000), placeOf(path, { end: 55_000 }));
  await expect(writing).rejects.toMatchObject({ status_code: 413 });
  expect((await readFile(path)).length).toBeLessThanOrEqual(55_000);
});

it('writes nothing of an empty body and refuses a file that is not there', async () => {
  const path = await fileOf(5);
  expect(await writeBody(bodyOf(new Uint8Array(0), 1), placeOf(path, { offset: 5 }))).toBe(5);
  const missing = placeOf(join(directory, 'missing'));
  await expect(writeBody(bodyOf(new Uint8Array(1), 1), missing)).rejects.toThrow('ENOENT');
});
