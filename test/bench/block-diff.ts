// What differs between two files of one length or a longer one, block for block: the workload, before any peer sees it.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const STEP = 1 << 20;

export type BlockDiff = {
  /** Bytes in the blocks that differ, of each asked size. */
  readonly changedBytes: ReadonlyMap<number, number>;
  /** Runs of neighbouring blocks that differ, at the smallest size. */
  readonly runs: number;
};

/** Sizes are powers of two up to 1 MiB, the smallest first. Blocks that only the later file has count as changed. */
export function blockDiff(earlier: string, later: string, sizes: readonly number[]): BlockDiff {
  const finest = sizes[0]!;
  const changed = changedBlocks(earlier, later, finest);
  const changedBytes = new Map<number, number>();
  for (const size of sizes) {
    const blocks = new Set<number>();
    for (const block of changed) blocks.add(Math.floor((block * finest) / size));
    changedBytes.set(size, blocks.size * size);
  }
  const runs = changed.filter((block, i) => i === 0 || changed[i - 1] !== block - 1).length;
  return { changedBytes, runs };
}

/** Numbers of the blocks that differ, rising. */
function changedBlocks(earlier: string, later: string, size: number): number[] {
  const before = openSync(earlier, 'r');
  const after = openSync(later, 'r');
  const beforePart = Buffer.alloc(STEP);
  const afterPart = Buffer.alloc(STEP);
  const changed: number[] = [];
  try {
    const end = fstatSync(after).size;
    for (let at = 0; at < end; at += STEP) {
      const old = beforePart.subarray(0, readSync(before, beforePart, 0, STEP, at));
      const now = afterPart.subarray(0, readSync(after, afterPart, 0, STEP, at));
      if (old.equals(now)) continue;
      for (let from = 0; from < now.length; from += size) {
        if (old.subarray(from, from + size).equals(now.subarray(from, from + size))) continue;
        changed.push((at + from) / size);
      }
    }
  } finally {
    closeSync(before);
    closeSync(after);
  }
  return changed;
}
