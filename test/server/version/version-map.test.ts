// The algebra of the map: whatever is changed, cut or grown, pages give the same bytes, hashes and root as the plain list would.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../server/sha256.ts';
import {
  decodePage,
  decodePageList,
  encodePage,
  encodePageList,
} from '../../../server/version/page-codec.ts';
import {
  changePage,
  checkHashesGiven,
  type MapPage,
  PAGE_BYTES,
  pageCount,
  pageLength,
  pageRoot,
  rootOfPages,
  splitByPage,
  touchedBlocks,
} from '../../../server/version/version-map.ts';
import { COARSE, coarseCount, coarseLength } from '../../../shared/block.ts';
import { toHex } from '../../../shared/byte-codec.ts';
import { CoarseHashes } from '../../../shared/change-list.ts';
import { coalesce, type Extent, overlay, type PlacedExtent } from '../../../shared/extents.ts';
import { merkleRoot } from '../../../shared/merkle.ts';
import { atOnce } from '../../../shared/steps.ts';

interface Whole {
  readonly size: number;
  readonly extents: readonly Extent[];
  readonly pages: readonly MapPage[];
}

const EMPTY: Whole = { size: 0, extents: [], pages: [] };

/** A hash that depends on what the block is made of, and so changes when it does. */
function hashOf(extents: readonly Extent[], index: number, size: number): Uint8Array {
  const parts: string[] = [];
  let at = 0;
  const from = index * COARSE;
  const to = from + coarseLength(index, size);
  for (const { pack, offset, length } of extents) {
    const start = Math.max(at, from);
    const end = Math.min(at + length, to);
    if (start < end) parts.push(`${pack}:${offset + start - at}+${end - start}`);
    at += length;
  }
  return sha256(Buffer.from(parts.join(',')));
}

function change(base: Whole, runs: readonly PlacedExtent[], size: number): Whole {
  const extents = overlay(base.extents, runs, size);
  const touched = [...touchedBlocks(runs, base.size, size)];
  const bytes = Buffer.concat(touched.map((index) => hashOf(extents, index, size)));
  const hashes = new CoarseHashes(Float64Array.from(touched), bytes);
  atOnce(checkHashesGiven(hashes, touched));
  const changes = new Map(atOnce(splitByPage(runs, hashes)).map((one) => [one.page, one]));
  const pages = Array.from({ length: pageCount(size) }, (_, index) => {
    const one = changes.get(index);
    return one ? changePage(base.pages[index], one, pageLength(index, size)) : base.pages[index]!;
  });
  return { size, extents, pages };
}

/** Steps that a source goes through: a new size, and runs that cover at least what it grew by. */
const steps = fc.array(
  fc.record({
    size: fc.integer({ min: 0, max: 3 * PAGE_BYTES }),
    places: fc.array(fc.tuple(fc.nat(3 * PAGE_BYTES), fc.integer({ min: 1, max: 200_000 })), {
      maxLength: 5,
    }),
  }),
  { minLength: 1, maxLength: 5 },
);

function runsOf(
  places: readonly [number, number][],
  baseSize: number,
  size: number,
  pack: string,
): PlacedExtent[] {
  const runs: PlacedExtent[] = [];
  let end = 0;
  let offset = 0;
  const add = (at: number, to: number): void => {
    if (at >= to) return;
    runs.push({ at, length: to - at, pack, offset });
    offset += to - at;
    end = to;
  };
  const inside = Math.min(baseSize, size);
  for (const [at, length] of [...places].sort((a, b) => a[0] - b[0])) {
    add(Math.max(at, end), Math.min(at + length, inside));
  }
  add(Math.max(end, baseSize), size);
  return runs;
}

describe('the map of a version', () => {
  it('is the same as the plain list of extents and hashes, after any number of changes', () => {
    fc.assert(
      fc.property(steps, (list) => {
        let version = EMPTY;
        for (const [index, { size, places }] of list.entries()) {
          version = change(version, runsOf(places, version.size, size, String(index + 1)), size);
          expect(coalesce(version.pages.flatMap((page) => [...page.extents]))).toEqual(version.extents);
          const hashes = Buffer.concat(version.pages.map((page) => page.hashes));
          const expected = Array.from({ length: coarseCount(size) }, (_, block) =>
            hashOf(version.extents, block, size),
          );
          expect(hashes.equals(Buffer.concat(expected))).toBe(true);
          const roots = version.pages.map((page) => pageRoot(page, sha256));
          expect(toHex(rootOfPages(roots, size, sha256))).toBe(toHex(merkleRoot(hashes, sha256)));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('has the root of the plain hashes at every size around a page', () => {
    for (const blocks of [0, 1, 15, 16, 17, 31, 32, 33, 48, 49, 63, 64, 65, 100]) {
      const size = blocks * COARSE;
      const extents = [{ length: size, pack: '1', offset: 0 }];
      const hashes = Buffer.concat(
        Array.from({ length: blocks }, (_, index) => hashOf(extents, index, size)),
      );
      const pages = Array.from({ length: pageCount(size) }, (_, index) =>
        hashes.subarray(512 * index, 512 * index + 512),
      );
      const roots = pages.map((page) => merkleRoot(page, sha256));
      expect(toHex(rootOfPages(roots, size, sha256))).toBe(toHex(merkleRoot(hashes, sha256)));
    }
  });

  it('asks for the last block where a version is cut inside it, and only there', () => {
    expect([...touchedBlocks([], 3 * COARSE, 2 * COARSE)]).toEqual([]);
    expect([...touchedBlocks([], 3 * COARSE, 2 * COARSE + 1)]).toEqual([2]);
    expect([...touchedBlocks([], 3 * COARSE, 3 * COARSE)]).toEqual([]);
    expect([
      ...touchedBlocks([{ at: COARSE - 1, length: 2, pack: '1', offset: 0 }], 3 * COARSE, 3 * COARSE),
    ]).toEqual([0, 1]);
  });
});

describe('page and list', () => {
  const page: MapPage = {
    hashes: Buffer.concat([sha256(Buffer.from('a')), sha256(Buffer.from('b'))]),
    extents: [
      { length: COARSE, pack: '7', offset: 0 },
      { length: 5, pack: '123456', offset: 2 ** 40 },
    ],
  };
  const entries = [5, 3, 4, 900_000].map((row) => ({ row, root: sha256(Buffer.from(String(row))) }));

  it('come back as they were stored', () => {
    expect(decodePage(encodePage(page, sha256), sha256)).toEqual({
      ...page,
      hashes: new Uint8Array(page.hashes),
    });
    const list = decodePageList(encodePageList(4 * PAGE_BYTES, entries, sha256), 4 * PAGE_BYTES, sha256);
    expect(list.map(({ row, root }) => [row, toHex(root)])).toEqual(
      entries.map(({ row, root }) => [row, toHex(root)]),
    );
  });

  it('are seen as damaged whichever bit flips', () => {
    const damaged = expect.objectContaining({ code: 'pack_damaged' });
    const stored = encodePage(page, sha256);
    const list = encodePageList(4 * PAGE_BYTES, entries, sha256);
    for (const [bytes, read] of [
      [stored, (given: Uint8Array) => decodePage(given, sha256)],
      [list, (given: Uint8Array) => decodePageList(given, 4 * PAGE_BYTES, sha256)],
    ] as const) {
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = bytes.slice();
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        expect(() => read(flipped)).toThrow(damaged);
      }
      expect(() => read(bytes.subarray(0, -1))).toThrow(damaged);
      expect(() => read(new Uint8Array(0))).toThrow(damaged);
    }
    expect(() => decodePageList(list, 5, sha256)).toThrow(damaged);
  });
});
