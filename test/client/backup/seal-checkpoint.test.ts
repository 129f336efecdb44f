// What a checkpoint can be made of.
import { expect, test } from 'vitest';
import { checkpointOf } from '../../../client/backup/seal-checkpoint.ts';
import { COARSE } from '../../../shared/block.ts';

test('nothing, where no pack was sealed', () => {
  expect(checkpointOf({ size: 10 * COARSE }, null, 0)).toBeNull();
});

test('a first backup: the blocks that were sealed', () => {
  expect(checkpointOf({ size: 10 * COARSE }, null, 3)).toEqual({ size: 3 * COARSE, blocks: 3 });
});

test('all of it, with a short last block', () => {
  expect(checkpointOf({ size: 2 * COARSE + 5 }, null, 3)).toEqual({ size: 2 * COARSE + 5, blocks: 3 });
});

test('the new beginning over the base, whose end stays', () => {
  expect(checkpointOf({ size: 10 * COARSE }, { size: 8 * COARSE + 9 }, 3)).toEqual({
    size: 8 * COARSE + 9,
    blocks: 3,
  });
});

test('never a block that is half new and half old', () => {
  expect(checkpointOf({ size: 2 * COARSE + 5 }, { size: 9 * COARSE }, 3)).toBeNull();
});
