// Numbers, hashes and bytes come back as they went in, in one form only; everything else is a Failure `malformed`.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, fromHex, latin1Bytes, sameBytes, toHex } from '../../shared/byte-codec.ts';
import { outcome } from './outcome.ts';

const MAX = Number.MAX_SAFE_INTEGER;

/** Whole numbers with an eye for the edges: around every power of two up to 2^53. */
const whole = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(300),
  fc.tuple(fc.integer({ min: 0, max: 53 }), fc.integer({ min: -2, max: 2 })).map(([power, near]) => {
    return Math.min(MAX, Math.max(0, 2 ** power + near));
  }),
);

const varintOf = (value: number) => new ByteWriter().varint(value).view().slice();
const readVarint = (bytes: Uint8Array) => {
  const reader = new ByteReader(bytes);
  const value = reader.varint();
  reader.end();
  return value;
};

describe('hexadecimal', () => {
  it('comes back as it went in', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
        expect(sameBytes(fromHex(toHex(bytes)), bytes)).toBe(true);
      }),
    );
  });

  it.each(['a', 'AB', '0x', ' 0', '0 ', '0g', 'ab\n', '\nab', '١٢', 'ａｂ'])('refuses %j', (text) => {
    expect(outcome(() => fromHex(text))).toBe('malformed');
  });
});

it('a text whose characters are bytes becomes those bytes', () => {
  const every = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  expect([...latin1Bytes(Buffer.from(every).toString('latin1'))]).toEqual([...every]);
  expect(latin1Bytes('')).toHaveLength(0);
});

describe('sameBytes', () => {
  it('tells bytes apart by length and by every place', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (a, b) => {
        expect(sameBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
        expect(sameBytes(a, a.slice())).toBe(true);
        expect(sameBytes(a, Uint8Array.of(...a, 0))).toBe(false);
      }),
    );
  });
});

describe('varint', () => {
  it.each([
    [0, '00'],
    [1, '01'],
    [127, '7f'],
    [128, '8001'],
    [300, 'ac02'],
    [16_383, 'ff7f'],
    [16_384, '808001'],
    [2 ** 32, '8080808010'],
    [2 ** 52, '8080808080808008'],
    [MAX, 'ffffffffffffff0f'],
  ])('writes %d as %s', (value, hex) => {
    expect(toHex(varintOf(value))).toBe(hex);
    expect(readVarint(fromHex(hex))).toBe(value);
  });

  it('comes back as it went in', () => {
    fc.assert(
      fc.property(whole, (value) => {
        expect(readVarint(varintOf(value))).toBe(value);
      }),
    );
  });

  it.each([-1, 0.5, MAX + 1, Number.NaN, Number.POSITIVE_INFINITY])('will not write %d', (value) => {
    expect(() => new ByteWriter().varint(value)).toThrow(RangeError);
  });

  it.each([
    ['2^53', '8080808080808010'],
    ['2^56', '808080808080808001'],
    ['all ones of 64 bits', 'ffffffffffffffffff01'],
    ['zero in two bytes', '8000'],
    ['one in two bytes', '8100'],
    ['one in eight bytes', '8180808080808000'],
    ['one in nine bytes', '818080808080808000'],
    ['an end too early', '80'],
    ['nothing', ''],
  ])('refuses %s', (_, hex) => {
    expect(outcome(() => readVarint(fromHex(hex)))).toBe('malformed');
  });

  it('refuses empty groups however many: their scale runs to infinity, and 0 times that is no number', () => {
    for (let groups = 1; groups < 400; groups++) {
      for (const last of [0, 1, 0x7f]) {
        if (groups < 8 && last === 1) continue;
        if (groups < 7 && last === 0x7f) continue;
        const bytes = Uint8Array.from([...Array(groups).fill(0x80), last]);
        expect(
          outcome(() => readVarint(bytes)),
          `${groups} groups, then ${last}`,
        ).toBe('malformed');
      }
    }
  });

  it('has one form: whatever bytes are read as a number are the ones written for it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        if (outcome(() => readVarint(bytes)) === 'accepted') {
          expect(toHex(varintOf(readVarint(bytes)))).toBe(toHex(bytes));
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('signed', () => {
  const signedOf = (value: number) => new ByteWriter().signed(value).view();

  it.each([
    [0, '00'],
    [-1, '01'],
    [1, '02'],
    [-64, '7f'],
    [64, '8001'],
    [-(2 ** 52), 'ffffffffffffff0f'],
    [2 ** 52 - 1, 'feffffffffffff0f'],
  ])('writes %d as %s', (value, hex) => {
    expect(toHex(signedOf(value))).toBe(hex);
    expect(new ByteReader(fromHex(hex)).signed()).toBe(value);
  });

  it('comes back as it went in, for every number it takes', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 }), (value) => {
        expect(new ByteReader(signedOf(value)).signed()).toBe(value);
      }),
    );
  });

  it.each([2 ** 52, -(2 ** 52) - 1, 0.25, Number.NaN])('will not write %d', (value) => {
    expect(() => signedOf(value)).toThrow(RangeError);
  });
});

describe('u64', () => {
  it('comes back as it went in, low byte first', () => {
    expect(toHex(new ByteWriter().u64(0x01_02_03_04_05_06).view())).toBe('0605040302010000');
    fc.assert(
      fc.property(whole, (value) => {
        expect(new ByteReader(new ByteWriter().u64(value).view()).u64()).toBe(value);
      }),
    );
  });

  it('reads at any place of a larger buffer', () => {
    const bytes = new ByteWriter()
      .bytes(Uint8Array.of(9, 9, 9))
      .u64(MAX)
      .byte(9)
      .view();
    const reader = new ByteReader(Uint8Array.of(7, ...bytes).subarray(1));
    reader.bytes(3);
    expect(reader.u64()).toBe(MAX);
    expect(reader.byte()).toBe(9);
  });

  it('refuses more than 2^53-1 and less than eight bytes', () => {
    for (const hex of ['0000000000002000', 'ffffffffffffffff', '00000000000000', '']) {
      expect(outcome(() => new ByteReader(fromHex(hex)).u64())).toBe('malformed');
    }
  });

  it.each([-1, MAX + 1, 0.5, Number.NaN])('will not write %d', (value) => {
    expect(() => new ByteWriter().u64(value)).toThrow(RangeError);
  });
});

describe('count', () => {
  it('is refused where the bytes left can not hold so many', () => {
    const counted = (value: number, left: number) =>
      new ByteReader(new ByteWriter().varint(value).bytes(new Uint8Array(left)).view());
    expect(counted(3, 12).count(4)).toBe(3);
    expect(counted(0, 0).count(32)).toBe(0);
    expect(outcome(() => counted(3, 11).count(4))).toBe('malformed');
    expect(outcome(() => counted(1, 0).count(1))).toBe('malformed');
    expect(outcome(() => counted(MAX, 1_000).count(1))).toBe('malformed');
    expect(outcome(() => counted(MAX, 1_000).count(35))).toBe('malformed');
  });
});

describe('writing and reading', () => {
  type Item = { kind: 'byte' | 'varint' | 'signed' | 'u64' | 'bytes'; value: number; bytes: Uint8Array };
  const item: fc.Arbitrary<Item> = fc.record({
    kind: fc.constantFrom('byte', 'varint', 'signed', 'u64', 'bytes'),
    value: fc.nat(),
    bytes: fc.uint8Array({ maxLength: 600 }),
  });

  it('gives everything back in its order, however much was written', () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 60 }), (items) => {
        const writer = new ByteWriter();
        for (const { kind, value, bytes } of items) {
          if (kind === 'bytes') writer.bytes(bytes);
          else if (kind === 'byte') writer.byte(value & 0xff);
          else if (kind === 'signed') writer.signed(-value);
          else writer[kind](value);
        }
        const reader = new ByteReader(writer.view().slice());
        for (const { kind, value, bytes } of items) {
          if (kind === 'bytes') expect(sameBytes(reader.bytes(bytes.length), bytes)).toBe(true);
          else if (kind === 'byte') expect(reader.byte()).toBe(value & 0xff);
          else if (kind === 'signed') expect(reader.signed()).toBe(0 - value);
          else expect(reader[kind]()).toBe(value);
        }
        expect(reader.remaining).toBe(0);
        reader.end();
      }),
    );
  });

  it('never reads past the end, and says so where bytes are left over', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3));
    expect(outcome(() => reader.bytes(4))).toBe('malformed');
    expect(outcome(() => reader.end())).toBe('malformed');
    expect(toHex(reader.bytes(3))).toBe('010203');
    expect(outcome(() => reader.byte())).toBe('malformed');
    reader.end();
  });
});
