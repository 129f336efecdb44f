// A change list comes back as it was written, has one form, and shows every damage.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter, fromHex, toHex } from '../../shared/byte-codec.ts';
import {
  type ChangeSource,
  CoarseHashes,
  decodeChangeList,
  encodeChangeList,
} from '../../shared/change-list.ts';
import { everyDamage, joined } from './damage.ts';
import { outcome } from './outcome.ts';
import { sha256, sha256Hex } from './sha256.ts';

const encode = (list: ChangeSource) => encodeChangeList(list, sha256);
const decode = (bytes: Uint8Array) => {
  const { runs, coarse } = decodeChangeList(bytes, sha256);
  return { runs, coarse: [...coarse] };
};

const PACKS = Array.from({ length: 5 }, (_, i) => sha256Hex(`pack ${i}`));
const MAGIC = '4d46434c01';
const MAX = Number.MAX_SAFE_INTEGER;

/** Small numbers for crowded lists, large ones for the edges of what a list can say. */
const listOf = (largest: number): fc.Arbitrary<ChangeSource> =>
  fc.record({
    runs: fc
      .array(
        fc.record({
          gap: fc.oneof(fc.nat(3), fc.nat(largest)),
          length: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: largest })),
          pack: fc.constantFrom(...PACKS),
          offset: fc.oneof(fc.nat(3), fc.nat(largest)),
        }),
        { maxLength: 12 },
      )
      .map((drawn) => {
        let end = 0;
        return drawn.map(({ gap, length, pack, offset }) => {
          const at = end + gap;
          end = at + length;
          return { at, length, pack, offset };
        });
      }),
    coarse: fc
      .array(
        fc.tuple(fc.oneof(fc.nat(3), fc.nat(largest)), fc.uint8Array({ minLength: 32, maxLength: 32 })),
        {
          maxLength: 6,
        },
      )
      .map((drawn) => {
        let next = 0;
        return drawn.map(([gap, hash]) => {
          const index = next + gap;
          next = index + 1;
          return { index, hash };
        });
      }),
  });

/** The body given in hexadecimal, with a right magic before it and a right hash after it: only its form can be wrong. */
const sealed = (body: Uint8Array | string): Uint8Array => {
  const bytes = joined(fromHex(MAGIC), typeof body === 'string' ? fromHex(body.replaceAll(' ', '')) : body);
  return joined(bytes, sha256(bytes));
};

describe('coarse hashes', () => {
  const indices = [0, 1, 7, 2 ** 40];
  const bytes = joined(...indices.map((index) => sha256(String(index))));
  const hashes = new CoarseHashes(Float64Array.from(indices), bytes);

  it('are found by position, and are the same in a part', () => {
    expect([...hashes]).toEqual(indices.map((index) => ({ index, hash: sha256(String(index)) })));
    const part = hashes.slice(1, 3);
    expect([...part]).toEqual([...hashes].slice(1, 3));
    expect([part.length, part.index(1), part.hash(1)]).toEqual([2, 7, sha256('7')]);
    expect(hashes.index(4)).toBeUndefined();
  });
});

describe('a change list', () => {
  it.each([
    ['crowded', 200],
    ['wide', 2 ** 48],
  ])('comes back as it was written (%s)', (_, largest) => {
    fc.assert(
      fc.property(listOf(largest), (list) => {
        expect(decode(encode(list))).toEqual(list);
      }),
      { numRuns: 300 },
    );
  });

  it('may be empty: a version that only got shorter, or of size 0', () => {
    const list = { runs: [], coarse: [] };
    expect(toHex(encode(list).subarray(0, -32))).toBe(`${MAGIC}000000`);
    expect(decode(encode(list))).toEqual(list);
  });

  it('goes up to 2^53-1', () => {
    const list = {
      runs: [
        { at: 0, length: MAX - 1, pack: PACKS[0]!, offset: 0 },
        { at: MAX - 1, length: 1, pack: PACKS[1]!, offset: 2 ** 52 - 1 },
      ],
      coarse: [{ index: MAX, hash: sha256('') }],
    };
    expect(decode(encode(list))).toEqual(list);
    const jumpBack = {
      runs: [
        { at: 0, length: 2 ** 52, pack: PACKS[0]!, offset: 0 },
        { at: 2 ** 52, length: 1, pack: PACKS[0]!, offset: 0 },
      ],
      coarse: [],
    };
    expect(decode(encode(jumpBack))).toEqual(jumpBack);
  });

  it('of 3,000 scattered runs takes some 20 KB, as the format says', () => {
    const runs = Array.from({ length: 3_000 }, (_, i) => ({
      at: i * 350_000,
      length: 1_024 * (1 + (i % 8)),
      pack: PACKS[0]!,
      offset: i * 8_192,
    }));
    expect(encode({ runs, coarse: [] }).length).toBeLessThan(30_000);
  });

  it('of half a million runs is written and read in one go', () => {
    const runs = Array.from({ length: 500_000 }, (_, i) => ({
      at: 3 * i,
      length: 2,
      pack: PACKS[i % 3]!,
      offset: 2 * i,
    }));
    const list = decode(encode({ runs, coarse: [] }));
    expect(list.runs).toHaveLength(runs.length);
    expect(list.runs.at(-1)).toEqual(runs.at(-1));
  });

  it('is never written out of order, overlapping, or past 2^53', () => {
    const run = (at: number, length: number, offset = 0) => ({ at, length, pack: PACKS[0]!, offset });
    const wrong: ChangeSource[] = [
      { runs: [run(5, 5), run(9, 1)], coarse: [] },
      { runs: [run(5, 5), run(0, 1)], coarse: [] },
      { runs: [run(-1, 5)], coarse: [] },
      { runs: [run(0, MAX + 1)], coarse: [] },
      { runs: [run(0, 1, 2 ** 53)], coarse: [] },
      {
        runs: [],
        coarse: [
          { index: 3, hash: sha256('') },
          { index: 3, hash: sha256('') },
        ],
      },
    ];
    for (const list of wrong) expect(() => encode(list)).toThrow(RangeError);
  });
});

describe('damage', () => {
  it('of one bit, one byte missing or one byte added anywhere is seen', () => {
    const sound = encode({
      runs: [
        { at: 0, length: 1_024, pack: PACKS[0]!, offset: 0 },
        { at: 9_000, length: 512, pack: PACKS[1]!, offset: 77 },
        { at: 9_512, length: 1, pack: PACKS[0]!, offset: 1_024 },
      ],
      coarse: [
        { index: 0, hash: sha256('0') },
        { index: 7, hash: new Uint8Array(32) },
      ],
    });
    expect(outcome(() => decode(sound))).toBe('accepted');
    for (const { what, bytes } of everyDamage(sound)) {
      expect(
        outcome(() => decode(bytes)),
        what,
      ).toBe('malformed');
    }
  });

  it('of every length cut off is seen', () => {
    const sound = encode({ runs: [{ at: 3, length: 5, pack: PACKS[0]!, offset: 0 }], coarse: [] });
    for (let length = 0; length < sound.length; length++) {
      expect(outcome(() => decode(sound.subarray(0, length)))).toBe('malformed');
    }
  });
});

describe('one list has one form', () => {
  it('whatever is read, under a right hash, is what would be written', () => {
    const patch = fc.record({
      place: fc.nat(999),
      remove: fc.nat(3),
      insert: fc.array(fc.oneof(fc.nat(3), fc.constantFrom(0x7f, 0x80, 0x81, 0xff), fc.nat(255)), {
        maxLength: 3,
      }),
    });
    let accepted = 0;
    fc.assert(
      fc.property(listOf(300), fc.array(patch, { minLength: 1, maxLength: 2 }), (list, patches) => {
        let body: Uint8Array = encode(list).slice(5, -32);
        for (const { place, remove, insert } of patches) {
          const at = Math.floor((body.length * place) / 1_000);
          body = joined(body.subarray(0, at), Uint8Array.from(insert), body.subarray(at + remove));
        }
        const bytes = sealed(body);
        const became = outcome(() => decode(bytes));
        if (became === 'accepted') {
          accepted++;
          expect(toHex(encode(decode(bytes)))).toBe(toHex(bytes));
        } else expect(became).toBe('malformed');
      }),
      { numRuns: 3_000 },
    );
    expect(accepted).toBeGreaterThan(50);
  });

  const [a, b] = PACKS as [string, string];
  const varint = (value: number) => toHex(new ByteWriter().varint(value).view());
  const one = '01 00 05 00 00'; // one run: 5 bytes at 0, of pack 0 at 0

  it.each([
    ['a list as it should be', `01 ${a} ${one} 00`, 'accepted'],
    ['a pack named twice', `02 ${a} ${a} 02 00 05 00 00 00 05 01 00 00`, 'malformed'],
    ['a pack that no run uses', `02 ${a} ${b} ${one} 00`, 'malformed'],
    ['packs not in the order of their first use', `02 ${a} ${b} 02 00 05 01 00 00 05 00 00 00`, 'malformed'],
    [
      'packs in another order, though all are used',
      `02 ${a} ${b} 03 00 05 01 00 00 05 00 00 00 05 01 00 00`,
      'malformed',
    ],
    ['a run of no pack', `00 ${one} 00`, 'malformed'],
    ['a run of a pack past the last', `01 ${a} 02 00 05 00 00 00 05 01 00 00`, 'malformed'],
    ['an empty run', `01 ${a} 01 00 00 00 00 00`, 'malformed'],
    ['a run before the beginning of its pack', `01 ${a} 01 00 05 00 01 00`, 'malformed'],
    ['a run that ends past 2^53', `01 ${a} 01 ${varint(MAX)} 01 00 00 00`, 'malformed'],
    [
      'a run that lies past 2^53 in its pack',
      `01 ${a} 02 00 ${varint(MAX)} 00 00 00 01 00 02 00`,
      'malformed',
    ],
    [
      'a run that a second jump takes past 2^53',
      `01 ${a} 02 00 01 00 ${varint(MAX - 1)} 00 02 00 ${varint(MAX - 1)} 00`,
      'malformed',
    ],
    ['a second run past 2^53', `01 ${a} 02 00 05 00 00 ${varint(MAX)} ${varint(MAX)} 00 00 00`, 'malformed'],
    ['a number in two bytes that needs one', `01 ${a} 01 00 8500 00 00 00`, 'malformed'],
    ['a count of packs made of nothing but empty groups', `${'80'.repeat(150)}01 00 00`, 'malformed'],
    ['a count of runs made of nothing but empty groups', `00 ${'80'.repeat(150)}01 00`, 'malformed'],
    ['a count of blocks made of nothing but empty groups', `00 00 ${'80'.repeat(150)}01`, 'malformed'],
    ['more packs than there are bytes', `${varint(MAX)} ${one} 00`, 'malformed'],
    ['more runs than there are bytes', `01 ${a} ${varint(2 ** 40)} 00 05 00 00 00`, 'malformed'],
    ['more blocks than there are bytes', `01 ${a} ${one} ${varint(2)} 00 ${a}`, 'malformed'],
    ['a block index past 2^53', `00 00 02 ${varint(MAX)} ${a} 00 ${a}`, 'malformed'],
    ['a byte after the end', `01 ${a} ${one} 00 00`, 'malformed'],
    ['nothing at all', '', 'malformed'],
  ])('%s', (_, body, expected) => {
    expect(outcome(() => decode(sealed(body)))).toBe(expected);
  });

  it('another format version, or a list of another kind, is refused under a right hash too', () => {
    for (const magic of ['4d46434c02', '4d46434c00', '4d465041434b0001', '']) {
      const bytes = fromHex(`${magic}000000`);
      expect(outcome(() => decode(joined(bytes, sha256(bytes))))).toBe('malformed');
    }
  });
});
