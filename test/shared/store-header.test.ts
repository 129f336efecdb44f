// The header reader against the real stores of pst-extractor, and against headers made by hand for what they lack.
import { open } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sampleStores } from '../../client/sources/sample-stores.ts';
import { changeMark, healthWords, parseStoreHeader } from '../../shared/store-header.ts';

const samples = sampleStores()!;

async function headerOf(path: string): Promise<{ bytes: Uint8Array; length: number }> {
  await using file = await open(path);
  const bytes = new Uint8Array(4096);
  await file.read(bytes, 0, bytes.length, 0);
  return { bytes, length: (await file.stat()).size };
}

/** Bit by bit, so that it shares nothing with the table under test. */
function crcOf(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return crc >>> 0;
}

interface Made {
  version: number;
  client?: string;
  eof?: number;
  amap?: number;
  length?: number;
}

/** A header with the given fields and checksums that match. */
function made({ version, client = 'SM', eof = 271_360, amap = 2, length = 4096 }: Made): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode('!BDN'), 0);
  bytes.set(new TextEncoder().encode(client), 8);
  view.setUint16(10, version, true);
  if (version <= 15) {
    view.setUint32(24, 336, true);
    view.setUint32(28, 257, true);
    view.setUint32(32, 36, true);
    view.setUint32(168, eof, true);
    view.setUint8(200, amap);
  } else {
    view.setBigUint64(516, 0x1_0000_0004n, true);
    view.setBigUint64(32, 0x1_0000_0001n, true);
    view.setUint32(40, 0xffff_fff0, true);
    view.setBigUint64(184, BigInt(eof), true);
    view.setUint8(248, amap);
    view.setUint32(524, crcOf(bytes.subarray(8, 524)), true);
  }
  view.setUint32(4, crcOf(bytes.subarray(8, 479)), true);
  return bytes.slice(0, length);
}

describe('the real stores', () => {
  test.each([
    [samples.pst, 'unicode', 'pst', { unique: 88, nextBlock: '11252', nextPage: '23094' }],
    [samples.osts[0], 'unicode-4k', 'ost', { unique: 5401, nextBlock: '54804', nextPage: '19120' }],
    [samples.osts[1], 'unicode-4k', 'ost', { unique: 1755, nextBlock: '35332', nextPage: '11741' }],
  ] as const)('%s is clean', async (path, format, client, counters) => {
    const { bytes, length } = await headerOf(path);
    const health = parseStoreHeader(bytes, length);
    expect(health).toEqual({ verdict: 'clean', format, client, reasons: [], counters, amapValid: true });
    expect(healthWords(health)).toBe('clean');
    expect(parseStoreHeader(bytes.subarray(0, 564), length)).toEqual(health);
  });

  test.each([samples.pst, ...samples.osts])(
    '%s: no single flipped bit under the checksums stays clean',
    async (path) => {
      const { bytes, length } = await headerOf(path);
      for (let bit = 4 * 8; bit < 528 * 8; bit++) {
        const flip = 1 << (bit % 8);
        bytes[bit >> 3]! ^= flip;
        const { verdict, reasons } = parseStoreHeader(bytes, length);
        expect(verdict, `bit ${bit}`).toBe('needs-repair');
        expect(reasons[0], `bit ${bit}`).toBe("The header's checksum does not match.");
        bytes[bit >> 3]! ^= flip;
      }
      expect(parseStoreHeader(bytes, length).verdict).toBe('clean');
    },
  );

  test.each([samples.pst, ...samples.osts])('%s: a file that lost its end is seen', async (path) => {
    const { bytes, length } = await headerOf(path);
    for (const kept of [length - 1, length - 512, 4096]) {
      const health = parseStoreHeader(bytes, kept);
      expect(healthWords(health)).toBe('needs repair (scanpst)');
      expect(health.reasons).toEqual([
        `The file ends before the length its header states (${kept} of ${length} bytes).`,
      ]);
    }
  });

  test('bytes are read where the view begins, not where its buffer does', async () => {
    const { bytes, length } = await headerOf(samples.pst);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(parseStoreHeader(shifted.subarray(3), length)).toEqual(parseStoreHeader(bytes, length));
    expect(changeMark(shifted.subarray(3))).toBe(changeMark(bytes));
  });
});

describe('made headers', () => {
  const ansiCounters = { unique: 36, nextBlock: '336', nextPage: '257' };
  const wideCounters = { unique: 0xffff_fff0, nextBlock: '4294967300', nextPage: '4294967297' };

  test.each([
    [14, 'SM', 'ansi', 'pst', ansiCounters],
    [15, 'SM', 'ansi', 'pst', ansiCounters],
    [14, 'SO', 'ansi', 'ost', ansiCounters],
    [21, 'SM', 'unicode', 'pst', wideCounters],
    [23, 'SM', 'unicode', 'pst', wideCounters],
    [23, 'SO', 'unicode', 'ost', wideCounters],
    [36, 'SO', 'unicode-4k', 'ost', wideCounters],
    [37, 'SM', 'unicode', 'pst', wideCounters],
  ] as const)('version %i, client %s', (version, mark, format, client, counters) => {
    const health = parseStoreHeader(made({ version, client: mark }), 271_360);
    expect(health).toEqual({ verdict: 'clean', format, client, reasons: [], counters, amapValid: true });
  });

  test('an ANSI header: each bit under its checksum counts, those behind do not', () => {
    const bytes = made({ version: 14 });
    for (let bit = 4 * 8; bit < 512 * 8; bit++) {
      const flip = 1 << (bit % 8);
      bytes[bit >> 3]! ^= flip;
      const covered = bit < 479 * 8;
      expect(parseStoreHeader(bytes, 271_360).verdict, `bit ${bit}`).toBe(covered ? 'needs-repair' : 'clean');
      bytes[bit >> 3]! ^= flip;
    }
  });

  test.each([
    [14, 0, false],
    [14, 1, true],
    [14, 2, true],
    [23, 0, false],
    [23, 1, true],
    [36, 0, false],
  ])('version %i, fAMapValid %i: no damage either way', (version, amap, valid) => {
    const health = parseStoreHeader(made({ version, amap }), 271_360);
    expect(health.verdict).toBe('clean');
    expect(health.amapValid).toBe(valid);
    expect(health.reasons).toEqual(
      valid ? [] : ['The allocation maps are marked as not valid; Outlook rebuilds them.'],
    );
  });

  test('a file longer than its header states is clean, and said to be longer', () => {
    const health = parseStoreHeader(made({ version: 23 }), 271_361);
    expect(health.verdict).toBe('clean');
    expect(health.reasons).toEqual([
      'The file is longer than its header states (271361 bytes, stated 271360).',
    ]);
  });

  test('lengths beyond 32 bits', () => {
    const eof = 60 * 2 ** 30;
    expect(parseStoreHeader(made({ version: 23, eof }), eof).verdict).toBe('clean');
    expect(parseStoreHeader(made({ version: 23, eof }), eof - 1).verdict).toBe('needs-repair');
  });

  test.each([4, 11, 12, 478, 479, 511])('an ANSI file that ends at byte %i of its header', (length) => {
    const health = parseStoreHeader(made({ version: 14, length }), length);
    expect(health.verdict).toBe('needs-repair');
    expect(health.reasons).toEqual(['The file ends inside its header.']);
    expect(health.counters).toBeNull();
  });

  test.each([479, 528, 563])('a Unicode file that ends at byte %i of its header', (length) => {
    const health = parseStoreHeader(made({ version: 23, length }), length);
    expect(health.reasons).toEqual(['The file ends inside its header.']);
    expect(health).toMatchObject({
      verdict: 'needs-repair',
      format: 'unicode',
      client: 'pst',
      counters: null,
    });
  });
});

describe('what is no store', () => {
  test.each([
    ['an empty file', new Uint8Array(0), 'The file is empty.'],
    ['three bytes', new Uint8Array([0x21, 0x42, 0x44]), 'The file does not begin as a store does (!BDN).'],
    ['zeros', new Uint8Array(4096), 'The file does not begin as a store does (!BDN).'],
    ['an address book', made({ version: 14, client: 'AB' }), 'The file is a personal address book.'],
    [
      'a version of the future',
      made({ version: 99 }),
      'The header names a kind of store that is not known (mark 0x4d53, version 99).',
    ],
    [
      'a client of the future',
      made({ version: 23, client: 'ZZ' }),
      'The header names a kind of store that is not known (mark 0x5a5a, version 23).',
    ],
  ])('%s', (_, bytes, reason) => {
    const health = parseStoreHeader(bytes, bytes.length);
    expect(health).toEqual({
      verdict: 'not-a-store',
      format: null,
      client: null,
      reasons: [reason],
      counters: null,
      amapValid: null,
    });
    expect(healthWords(health)).toBe('not a PST');
  });

  test('any bytes get a verdict, and only those with the magic are taken for a store', () => {
    const anyFile = fc.record({ bytes: fc.uint8Array({ maxLength: 700 }), magic: fc.boolean() });
    fc.assert(
      fc.property(anyFile, ({ bytes, magic }) => {
        if (magic) bytes.set([0x21, 0x42, 0x44, 0x4e].slice(0, bytes.length));
        const health = parseStoreHeader(bytes, bytes.length);
        const isStore = magic && bytes.length >= 4;
        expect(health.verdict).toBe(isStore ? 'needs-repair' : 'not-a-store');
        expect(health.reasons).toHaveLength(1);
        if (!isStore) expect(changeMark(bytes)).toBeNull();
      }),
    );
  });
});

describe('the change mark', () => {
  test('of a real store, and of what is no store', async () => {
    const { bytes } = await headerOf(samples.pst);
    expect(changeMark(bytes)).toBe('17-58-2bf4-5a36-d56400-9fdaece5-e2574019');
    expect(changeMark(made({ version: 14 }))).toMatch(/^e-24-150-101-42400-[0-9a-f]+$/);
    expect(changeMark(bytes.subarray(0, 563))).toBeNull();
    expect(changeMark(made({ version: 99 }))).toBeNull();
    expect(changeMark(new Uint8Array(0))).toBeNull();
  });

  test.each([
    ['dwCRCPartial', 4],
    ['bidNextP', 32],
    ['dwUnique', 40],
    ['ibFileEof', 184],
    ['bidNextB', 516],
    ['dwCRCFull', 524],
  ])('moves with %s', async (_, offset) => {
    const { bytes } = await headerOf(samples.pst);
    const before = changeMark(bytes);
    bytes[offset]! ^= 1;
    expect(changeMark(bytes)).not.toBe(before);
    expect(changeMark(bytes)).not.toBeNull();
  });
});
