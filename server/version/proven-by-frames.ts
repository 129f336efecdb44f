// Proves new coarse blocks without reading them: where whole blocks went into a frame, its checked hash is their Merkle root.
import { COARSE, coarseCount } from '../../shared/block.ts';
import { sameBytes } from '../../shared/byte-codec.ts';
import type { CoarseHashes } from '../../shared/change-list.ts';
import type { PlacedExtent } from '../../shared/extents.ts';
import { MerkleSum } from '../../shared/merkle.ts';
import type { PackIndex } from '../pack/pack-index.ts';
import { sha256 } from '../sha256.ts';

/**
 * Marks in `proven` the positions (in `coarse`) of those blocks that a frame inside `run` proves: the frame begins at a
 * block's first byte, ends at one's last, and its hash is the root over the hashes declared. Only for packs whose frames
 * were compared with their hashes not long ago. Blocks that are not marked are not wrong: they have to be read.
 */
export function markProven(
  run: PlacedExtent,
  index: PackIndex,
  coarse: CoarseHashes,
  size: number,
  proven: Uint8Array,
): void {
  for (let at = Math.max(0, index.at(run.offset)); at < index.count; at++) {
    const frame = index.frame(at);
    if (frame.rawOffset + frame.rawLength > run.offset + run.length) return;
    if (frame.rawOffset < run.offset) continue;
    const start = run.at + frame.rawOffset - run.offset;
    const end = start + frame.rawLength;
    if (start % COARSE !== 0 || (end % COARSE !== 0 && end !== size)) continue;
    const position = positionOf(coarse, start / COARSE);
    const count = coarseCount(frame.rawLength);
    if (position < 0 || coarse.index(position + count - 1) !== start / COARSE + count - 1) continue;
    const sum = new MerkleSum(sha256);
    for (let block = position; block < position + count; block++) sum.push(coarse.hash(block));
    if (sameBytes(sum.root(), frame.hash)) proven.fill(1, position, position + count);
  }
}

function positionOf(coarse: CoarseHashes, index: number): number {
  let low = 0;
  let high = coarse.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = coarse.index(middle)!;
    if (found === index) return middle;
    if (found < index) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
