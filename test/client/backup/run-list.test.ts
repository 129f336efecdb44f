// Runs of a source: what is written is read, and the blocks they touch are those a brute force finds.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addRun,
  decodeRuns,
  encodeRuns,
  type SourceRun,
  touchedBlocks,
} from '../../../client/backup/run-list.ts';
import { COARSE } from '../../../shared/block.ts';

const runs = fc
  .array(fc.tuple(fc.nat(300_000), fc.integer({ min: 1, max: 200_000 })), { maxLength: 30 })
  .map((steps) => {
    const list: SourceRun[] = [];
    let at = 0;
    for (const [gap, length] of steps) {
      addRun(list, at + gap, length);
      at += gap + length;
    }
    return list;
  });

test('come back as extents that lie one after another in the pack', () => {
  fc.assert(
    fc.property(runs, (list) => {
      const extents = decodeRuns(encodeRuns(list), 'p');
      expect(extents.map(({ at, length }) => ({ at, length }))).toEqual(list);
      let offset = 0;
      for (const extent of extents) {
        expect(extent.offset).toBe(offset);
        offset += extent.length;
      }
    }),
  );
});

test('touch the blocks that a brute force finds', () => {
  fc.assert(
    fc.property(runs, (list) => {
      const expected = new Set<number>();
      for (const { at, length } of list) {
        for (let block = Math.floor(at / COARSE); block * COARSE < at + length; block++) expected.add(block);
      }
      expect(touchedBlocks(list)).toEqual([...expected].sort((a, b) => a - b));
    }),
  );
});

test('neighbours are joined', () => {
  const list: SourceRun[] = [];
  addRun(list, 0, 10);
  addRun(list, 10, 5);
  addRun(list, 20, 1);
  expect(list).toEqual([
    { at: 0, length: 15 },
    { at: 20, length: 1 },
  ]);
});
