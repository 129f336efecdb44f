// A version's bytes survive every way of changing them, and the algebra agrees with a model that knows single bytes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COARSE, coarseCount, coarseLength } from '../../shared/block.ts';
import { coalesce, type Extent, lengthOf, overlay, type PlacedExtent, slice } from '../../shared/extents.ts';
import { joined } from './damage.ts';
import { outcome } from './outcome.ts';

const PACKS = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)];

const extent: fc.Arbitrary<Extent> = fc.record({
  length: fc.nat(12),
  pack: fc.constantFrom(...PACKS),
  offset: fc.nat(30),
});
/** Often a neighbour that continues the one before, so that there is something to join. */
const extents: fc.Arbitrary<Extent[]> = fc
  .array(fc.tuple(extent, fc.boolean()), { maxLength: 12 })
  .map((drawn) => {
    const list: Extent[] = [];
    for (const [next, goesOn] of drawn) {
      const last = list.at(-1);
      list.push(
        last && goesOn ? { ...next, pack: last.pack, offset: last.offset + last.length } : { ...next },
      );
    }
    return list;
  });

/** Where each single byte lies. */
const places = (list: readonly Extent[]): string[] =>
  list.flatMap(({ length, pack, offset }) =>
    Array.from({ length }, (_, i) => `${pack.slice(0, 1)}${offset + i}`),
  );

describe('coalesce', () => {
  it('keeps every byte in its place, and leaves nothing to join and nothing empty', () => {
    fc.assert(
      fc.property(extents, (list) => {
        const joinedUp = coalesce(list);
        expect(places(joinedUp)).toEqual(places(list));
        expect(lengthOf(joinedUp)).toBe(lengthOf(list));
        expect(joinedUp.every(({ length }) => length > 0)).toBe(true);
        for (const [i, next] of joinedUp.slice(1).entries()) {
          const before = joinedUp[i]!;
          expect(before.pack === next.pack && before.offset + before.length === next.offset).toBe(false);
        }
        expect(coalesce(joinedUp)).toEqual(joinedUp);
      }),
    );
  });

  it('changes nothing of what it was given, and carries nothing else along', () => {
    const given: PlacedExtent[] = [
      { at: 0, length: 2, pack: PACKS[0]!, offset: 0 },
      { at: 2, length: 3, pack: PACKS[0]!, offset: 2 },
    ];
    const before = structuredClone(given);
    expect(coalesce(given)).toEqual([{ length: 5, pack: PACKS[0], offset: 0 }]);
    expect(given).toEqual(before);
  });

  it('does not join the same offsets of different packs, nor runs that only repeat', () => {
    const list = [
      { length: 4, pack: PACKS[0]!, offset: 0 },
      { length: 4, pack: PACKS[1]!, offset: 4 },
      { length: 4, pack: PACKS[1]!, offset: 4 },
    ];
    expect(coalesce(list)).toEqual(list);
  });
});

describe('slice', () => {
  it('gives the bytes asked for, nothing empty, at every border', () => {
    fc.assert(
      fc.property(extents, fc.nat(160), fc.nat(160), (list, from, to) => {
        const cut = slice(list, from, to);
        expect(places(cut)).toEqual(places(list).slice(from, Math.max(from, to)));
        expect(cut.every(({ length }) => length > 0)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('in two halves is the whole', () => {
    fc.assert(
      fc.property(extents, fc.nat(160), (list, at) => {
        const whole = [...slice(list, 0, at), ...slice(list, at, lengthOf(list))];
        expect(places(whole)).toEqual(places(list));
      }),
    );
  });

  it('of nothing, of no bytes, and of bytes asked for backwards is nothing', () => {
    const list = [{ length: 10, pack: PACKS[0]!, offset: 0 }];
    expect(slice([], 0, 0)).toEqual([]);
    expect(slice([], 0, 10)).toEqual([]);
    expect(slice(list, 5, 5)).toEqual([]);
    expect(slice(list, 5, 3)).toEqual([]);
    expect(slice(list, 10, 20)).toEqual([]);
  });

  it('works at offsets near 2^53', () => {
    const far = Number.MAX_SAFE_INTEGER - 10;
    const list = [
      { length: far, pack: PACKS[0]!, offset: 10 },
      { length: 10, pack: PACKS[1]!, offset: 0 },
    ];
    expect(slice(list, far - 1, far + 1)).toEqual([
      { length: 1, pack: PACKS[0], offset: far + 9 },
      { length: 1, pack: PACKS[1], offset: 0 },
    ]);
  });
});

describe('overlay', () => {
  const change: fc.Arbitrary<PlacedExtent> = fc.record({
    at: fc.nat(60),
    length: fc.nat(9),
    pack: fc.constantFrom(...PACKS),
    offset: fc.nat(30),
  });

  /** Byte for byte, and null where there is a hole, an overlap, or a change that is empty or out of place. */
  function model(base: readonly Extent[], changes: readonly PlacedExtent[], size: number): string[] | null {
    const bytes: (string | undefined)[] = places(base).slice(0, size);
    let end = 0;
    for (const { at, ...run } of changes) {
      if (at < end || run.length === 0 || at + run.length > size) return null;
      end = at + run.length;
      for (const [i, place] of places([run]).entries()) bytes[at + i] = place;
    }
    const full = Array.from({ length: size }, (_, i) => bytes[i]);
    return full.every((place) => place !== undefined) ? full : null;
  }

  const compare = (base: readonly Extent[], changes: readonly PlacedExtent[], size: number) => {
    const expected = model(base, changes, size);
    if (expected === null) {
      expect(outcome(() => overlay(base, changes, size))).toBe('malformed');
    } else {
      const list = overlay(base, changes, size);
      expect(places(list)).toEqual(expected);
      expect(lengthOf(list)).toBe(size);
      expect(list).toEqual(coalesce(list));
    }
    return expected !== null;
  };

  it('of any changes is what the model says, or is refused where the model has a hole or an overlap', () => {
    let accepted = 0;
    fc.assert(
      fc.property(
        extents,
        fc.array(change, { maxLength: 5 }),
        fc.nat(80),
        fc.boolean(),
        (base, drawn, size, sort) => {
          const changes = sort ? drawn.toSorted((a, b) => a.at - b.at) : drawn;
          if (compare(base, changes, size)) accepted++;
        },
      ),
      { numRuns: 2_000 },
    );
    expect(accepted).toBeGreaterThan(50);
  });

  it('of changes in order is what the model says', () => {
    const gaps = fc.array(fc.tuple(fc.nat(6), fc.integer({ min: 1, max: 9 }), extent), { maxLength: 8 });
    fc.assert(
      fc.property(extents, gaps, fc.nat(10), (base, drawn, tail) => {
        let end = 0;
        const changes = drawn.map(([gap, length, { pack, offset }]) => {
          const at = end + gap;
          end = at + length;
          return { at, length, pack, offset };
        });
        compare(base, changes, end + tail);
        compare(base, changes, end);
      }),
      { numRuns: 1_000 },
    );
  });

  const base = [{ length: 10, pack: PACKS[0]!, offset: 0 }];
  const at = (start: number, length: number) => ({ at: start, length, pack: PACKS[1]!, offset: 0 });

  it.each([
    ['a hole between the base and a change', [at(11, 4)], 15],
    ['a hole after the last change', [at(10, 4)], 15],
    ['growth that nothing gives', [], 11],
    ['changes that overlap', [at(0, 4), at(3, 4)], 10],
    ['the same change twice', [at(2, 2), at(2, 2)], 10],
    ['changes out of order', [at(6, 2), at(2, 2)], 10],
    ['a change past the end', [at(8, 4)], 10],
    ['a change past the end of a shorter version', [at(5, 2)], 6],
    ['an empty change', [at(5, 0)], 10],
    ['a change of negative length', [at(5, -1)], 10],
    ['a change before the beginning', [at(-1, 2)], 10],
  ])('refuses %s', (_, changes, size) => {
    expect(outcome(() => overlay(base, changes, size))).toBe('malformed');
  });

  it('of nothing over nothing is nothing; cut to nothing too', () => {
    expect(overlay([], [], 0)).toEqual([]);
    expect(overlay(base, [], 0)).toEqual([]);
    expect(overlay([{ length: 0, pack: PACKS[0]!, offset: 3 }], [], 0)).toEqual([]);
  });

  it('leaves the base and the changes as they were', () => {
    const changes = [at(2, 3)];
    const before = structuredClone([base, changes]);
    overlay(base, changes, 8);
    expect([base, changes]).toEqual(before);
  });

  it('takes 300,000 changes over 300,000 extents in one pass', () => {
    const many = Array.from({ length: 300_000 }, (_, i) => ({ length: 4, pack: PACKS[0]!, offset: 9 * i }));
    expect(overlay(many, [], 1_200_000)).toEqual(many);
    const changes = many.map((_, i) => ({ at: 4 * i + 1, length: 2, pack: PACKS[1]!, offset: 5 * i }));
    expect(overlay(many, changes, 1_200_000)).toHaveLength(900_000);
  });
});

describe('a version', () => {
  type Edit =
    | { kind: 'write'; place: number; bytes: Uint8Array }
    | { kind: 'truncate'; place: number }
    | { kind: 'grow'; bytes: Uint8Array };
  const place = fc.integer({ min: 0, max: 1_000 });
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
  const edit: fc.Arbitrary<Edit> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), place, bytes }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('truncate' as const), place }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('grow' as const), bytes }) },
  );

  function edited(file: Uint8Array, edits: readonly Edit[]): Uint8Array {
    let now = file;
    for (const one of edits) {
      if (one.kind === 'grow') now = joined(now, one.bytes);
      else {
        const where = Math.floor((now.length * one.place) / 1_000);
        if (one.kind === 'truncate') now = now.slice(0, where);
        else now = joined(now.subarray(0, where), one.bytes, now.subarray(where + one.bytes.length));
      }
    }
    return now;
  }

  /** Runs of blocks that differ, or that the version before did not have or had shorter. */
  function changedRanges(before: Uint8Array, now: Uint8Array, block: number): { from: number; to: number }[] {
    const ranges: { from: number; to: number }[] = [];
    for (let from = 0; from < now.length; from += block) {
      const to = Math.min(now.length, from + block);
      if (to <= before.length && Buffer.compare(before.subarray(from, to), now.subarray(from, to)) === 0)
        continue;
      const last = ranges.at(-1);
      if (last?.to === from) last.to = to;
      else ranges.push({ from, to });
    }
    return ranges;
  }

  const read = (list: readonly Extent[], packs: ReadonlyMap<string, Uint8Array>): Uint8Array =>
    joined(...list.map(({ pack, offset, length }) => packs.get(pack)!.subarray(offset, offset + length)));

  it('is byte for byte the file, after any edits, truncations and growth; the ones before it stay what they were', () => {
    const day = fc.record({
      edits: fc.array(edit, { maxLength: 6 }),
      block: fc.constantFrom(1, 3, 8, 64),
      /** In how many packs the day's ranges go, and whether from the end of the file to its beginning. */
      packs: fc.integer({ min: 1, max: 3 }),
      backwards: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(day, { maxLength: 5 }), (first, days) => {
        const packs = new Map<string, Uint8Array>();
        const versions: { file: Uint8Array; extents: Extent[] }[] = [
          { file: new Uint8Array(0), extents: [] },
        ];
        const firstDay = {
          edits: [{ kind: 'grow', bytes: first } as const],
          block: 8,
          packs: 1,
          backwards: false,
        };
        for (const { edits, block, packs: count, backwards } of [firstDay, ...days]) {
          const base = versions.at(-1)!;
          const file = edited(base.file, edits);
          const fresh = Array.from({ length: count }, (_, i) => ({
            id: `${packs.size + i}`,
            parts: [Uint8Array.of(0xee)] as Uint8Array[],
            length: 1,
          }));
          const ranges = changedRanges(base.file, file, block);
          const changes: PlacedExtent[] = [];
          for (const [i, { from, to }] of (backwards ? ranges.toReversed() : ranges).entries()) {
            const pack = fresh[i % count]!;
            changes.push({ at: from, length: to - from, pack: pack.id, offset: pack.length });
            pack.parts.push(file.subarray(from, to));
            pack.length += to - from;
          }
          for (const { id, parts } of fresh) packs.set(id, joined(...parts));
          changes.sort((a, b) => a.at - b.at);
          versions.push({ file, extents: overlay(base.extents, changes, file.length) });
        }
        for (const { file, extents: list } of versions) {
          expect(Buffer.compare(read(list, packs), file)).toBe(0);
        }
      }),
      { numRuns: 400 },
    );
  });
});

describe('coarse blocks', () => {
  it.each([
    [0, 0],
    [1, 1],
    [COARSE - 1, 1],
    [COARSE, 1],
    [COARSE + 1, 2],
    [Number.MAX_SAFE_INTEGER, 2 ** 37],
  ])('of %d bytes are %d', (size, count) => {
    expect(coarseCount(size)).toBe(count);
  });

  it('add up to the size', () => {
    fc.assert(
      fc.property(fc.nat(20 * COARSE), (size) => {
        let total = 0;
        for (let i = 0; i < coarseCount(size); i++) {
          expect(coarseLength(i, size)).toBeGreaterThan(0);
          total += coarseLength(i, size);
        }
        expect(total).toBe(size);
        expect(coarseLength(coarseCount(size), size)).toBe(0);
      }),
    );
  });
});
