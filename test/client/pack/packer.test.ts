// The packer with its worker, as they are built: bytes come out as they went in, and trouble in the worker is a failure, never a hang.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { frameSettings } from '../../../client/pack/frame-settings.ts';
import { Packer as UnbuiltPacker } from '../../../client/pack/packer.ts';
import { CODECS_OF_ALL } from '../../../shared/pack.ts';
import { builtPacker } from '../../support/client/built-packer.ts';
import { readPack } from '../../support/client/read-pack.ts';
import { lacksSmallDisk, smallDisk } from '../../support/client/small-disk.ts';
import { within } from '../../support/client/within.ts';
import { named } from '../../support/programs.ts';
import { randomBytes, seededRandom } from '../../support/random.ts';
import { tempDir } from '../../support/temp-dir.ts';

const DAY = frameSettings(0, 0, CODECS_OF_ALL);
const BULK = frameSettings(1_000_000_000, 0, CODECS_OF_ALL);

async function fill(packer: UnbuiltPacker, bytes: Buffer, batchBytes: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += batchBytes) {
    const part = bytes.subarray(at, at + batchBytes);
    const buffer = await packer.buffer();
    new Uint8Array(buffer).set(part);
    packer.add(buffer, part.length, undefined);
  }
}

/** Everything that does not wait for the worker, which takes a turn of the event loop to answer. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

test('one pack after another, some thrown away, with other settings in between', async () => {
  const packer = await builtPacker();
  const folder = tempDir();
  for (const [index, settings] of [DAY, BULK, DAY, BULK, BULK].entries()) {
    const bytes = randomBytes(seededRandom(index), 3_000_000);
    const path = join(folder, `${index}.pack`);
    packer.open(path, settings);
    await fill(packer, bytes, settings.batchBytes);
    if (index % 2 === 1) {
      packer.abandon();
      continue;
    }
    const sealed = await packer.seal();
    const read = readPack(path);
    expect(sealed).toEqual({ id: read.id, bytes: read.bytes, rawBytes: bytes.length });
    expect(read.raw.equals(bytes)).toBe(true);
    expect(packer.bytes).toBe(read.frames.reduce((sum, { storedLength }) => sum + storedLength, 0));
  }
  expect(readdirSync(folder)).toEqual(['0.pack', '2.pack', '4.pack']);
});

test('bytes on their way count raw, written ones as they are stored', async () => {
  const packer = await builtPacker();
  packer.open(join(tempDir(), '0.pack'), BULK);
  const buffer = await packer.buffer();
  packer.add(buffer, buffer.byteLength, undefined);
  expect(packer.bytes).toBe(BULK.batchBytes);
  await packer.seal();
  expect(packer.bytes).toBeGreaterThan(0);
  expect(packer.bytes).toBeLessThan(BULK.batchBytes / 100);
});

test('a reader that is faster than the worker waits: no more than 2 MiB, or one batch, are on their way', async () => {
  const packer = await builtPacker();
  packer.open(join(tempDir(), '0.pack'), BULK);
  let taken = 0;
  const taking = (async () => {
    for (let n = 0; n < 64; n++) {
      const buffer = await packer.buffer();
      taken++;
      new Uint8Array(buffer).fill(n);
      packer.add(buffer, buffer.byteLength, undefined);
    }
  })();
  await settle();
  expect(taken).toBe(2);
  await taking;
  expect((await packer.seal()).rawBytes).toBe(64 * BULK.batchBytes);
});

describe('closed', () => {
  test('while a pack is being sealed: sealing fails soon, and no half of a pack has its name', async () => {
    const packer = await builtPacker();
    const folder = tempDir();
    packer.open(join(folder, '0.pack'), DAY);
    await fill(packer, randomBytes(seededRandom(2), DAY.batchBytes), DAY.batchBytes);
    const [sealed, closed] = await within(20_000, Promise.allSettled([packer.seal(), packer.close()]));
    expect(sealed).toMatchObject({ status: 'rejected', reason: { code: 'internal' } });
    expect(closed.status).toBe('fulfilled');
    expect(readdirSync(folder)).not.toContain('0.pack');
  });

  test('while a reader waits for room: the reader hears of it', async () => {
    const packer = await builtPacker();
    packer.open(join(tempDir(), '0.pack'), DAY);
    const filling = fill(packer, Buffer.alloc(3 * DAY.batchBytes), DAY.batchBytes);
    await settle();
    const [filled] = await within(20_000, Promise.allSettled([filling, packer.close()]));
    expect(filled).toMatchObject({ status: 'rejected', reason: { code: 'internal' } });
  });

  test('it takes nothing more, and can be closed again', async () => {
    const packer = await builtPacker();
    await within(20_000, packer.close());
    expect(packer.failed).toBe(true);
    expect(() => packer.open(join(tempDir(), '0.pack'), BULK)).toThrow(
      expect.objectContaining({ code: 'internal' }),
    );
    await within(20_000, packer.close());
  });
});

describe('trouble', () => {
  test('a folder that is not there', async () => {
    const packer = await builtPacker();
    packer.open(join(tempDir(), 'none', '0.pack'), BULK);
    await expect(within(20_000, packer.seal())).rejects.toMatchObject({ code: 'internal' });
    expect(packer.failed).toBe(true);
    expect(() => packer.open(join(tempDir(), '0.pack'), BULK)).toThrow(
      expect.objectContaining({ code: 'internal' }),
    );
    expect(() => packer.abandon()).not.toThrow();
  });

  test('before a pack is sealed: sealing fails, and closing leaves no failure that nobody hears of', async () => {
    const unheard: unknown[] = [];
    const hear = (reason: unknown) => unheard.push(reason);
    process.on('unhandledRejection', hear);
    onTestFinished(() => void process.off('unhandledRejection', hear));
    const packer = await builtPacker();
    packer.open(join(tempDir(), 'none', '0.pack'), BULK);
    await vi.waitFor(() => expect(packer.failed).toBe(true), 20_000);
    expect(() => packer.seal()).toThrow(expect.objectContaining({ code: 'internal' }));
    await packer.close();
    // Node tells of such a failure once its turn of the event loop is over.
    await new Promise((resolve) => setImmediate(resolve));
    expect(unheard).toEqual([]);
  });

  test('while a reader waits for room reaches the reader', async () => {
    const packer = await builtPacker();
    packer.open(join(tempDir(), 'none', '0.pack'), BULK);
    const filling = fill(packer, Buffer.alloc(4 * BULK.batchBytes), BULK.batchBytes);
    await expect(within(20_000, filling)).rejects.toMatchObject({ code: 'internal' });
  });

  const lacking = lacksSmallDisk();
  test.skipIf(lacking)(named('a disk that is full says so, and that waiting helps', lacking), async () => {
    const packer = await builtPacker();
    packer.open(join(smallDisk(tempDir(), 3_000_000), '0.pack'), BULK);
    const filling = fill(packer, randomBytes(seededRandom(1), 8_000_000), BULK.batchBytes);
    await expect(within(20_000, filling)).rejects.toMatchObject({ code: 'staging_full', retry: 'later' });
  });

  test('a worker that ended by itself fails what waits for it, and can still be closed', async () => {
    // The worker is a built file; here there is none beside the source, so that it ends as soon as it is started.
    const packer = new UnbuiltPacker();
    packer.open(join(tempDir(), '0.pack'), BULK);
    await expect(within(20_000, packer.seal())).rejects.toMatchObject({ code: 'internal' });
    await within(20_000, packer.close());
    await within(20_000, packer.close());
  });
});
