// The map of a version: its bytes in pages of 1 MiB, each with hashes and extents. A new version rewrites what it touches.
import { COARSE, coarseCount, type Sha256 } from '../../shared/block.ts';
import type { CoarseHashes } from '../../shared/change-list.ts';
import { type Extent, overlay, type PlacedExtent } from '../../shared/extents.ts';
import { Failure } from '../../shared/failure.ts';
import { MerkleSum, merkleRoot } from '../../shared/merkle.ts';
import { atOnce, STEP_ITEMS, type Steps } from '../../shared/steps.ts';

/*
 * A page is 16 coarse blocks, so its hashes make a perfect subtree of the version's root: the root of 4 GiB is
 * summed from 4,096 page roots without looking into a page. A day's change touches some hundred pages; the others are
 * shared with the base. Inside the map, `pack` is the row of a pack in the catalogue, in decimal.
 */

/** Coarse blocks in a page: few enough that a scattered change rewrites little, and a power of two for the root. */
export const PAGE_BLOCKS = 16;
export const PAGE_BYTES = PAGE_BLOCKS * COARSE;
const PAGE_HEIGHT = Math.log2(PAGE_BLOCKS);

export interface MapPage {
  /** 32-byte SHA-256 of its coarse blocks, one after another. */
  readonly hashes: Uint8Array;
  /** Give exactly the bytes of the page. */
  readonly extents: readonly Extent[];
}

export function pageCount(size: number): number {
  return Math.ceil(size / PAGE_BYTES);
}

/** Bytes of page `index` in a version of `size` bytes; 0 past its end. */
export function pageLength(index: number, size: number): number {
  return Math.max(0, Math.min(PAGE_BYTES, size - index * PAGE_BYTES));
}

/** The root of a version from the roots of its pages; only the last page may be shorter than PAGE_BYTES. */
export function rootOfPages(roots: Iterable<Uint8Array>, size: number, sha256: Sha256): Uint8Array {
  return atOnce(rootOfPagesInSteps(roots, size, sha256));
}

/** The same in steps. */
export function* rootOfPagesInSteps(
  roots: Iterable<Uint8Array>,
  size: number,
  sha256: Sha256,
): Steps<Uint8Array> {
  const sum = new MerkleSum(sha256);
  let index = 0;
  for (const root of roots) {
    if (index % STEP_ITEMS === 0) yield;
    const isFull = coarseCount(pageLength(index++, size)) === PAGE_BLOCKS;
    // A short last page is the last thing pushed, and RFC 6962 hangs what is left over in as a subtree of its own.
    sum.pushSubtree(root, isFull ? PAGE_HEIGHT : 0);
  }
  return sum.root();
}

export function pageRoot(page: MapPage, sha256: Sha256): Uint8Array {
  return merkleRoot(page.hashes, sha256);
}

/**
 * The coarse blocks whose hashes a commit has to bring, in rising order: all that a run reaches into, and the last one where the
 * version was cut inside it. One after another, so that a run of 2^49 bytes costs no more than the blocks that are asked for. A
 * Failure `malformed` where a run reaches past `size`.
 */
export function* touchedBlocks(
  runs: readonly PlacedExtent[],
  baseSize: number,
  size: number,
): Generator<number> {
  let next = 0;
  for (const run of runs) {
    if (run.at + run.length > size)
      throw new Failure('malformed', 'A run reaches past the end of the version.');
    const last = Math.floor((run.at + run.length - 1) / COARSE);
    for (next = Math.max(Math.floor(run.at / COARSE), next); next <= last; next++) yield next;
  }
  const end = Math.floor(size / COARSE);
  if (size < baseSize && size % COARSE !== 0 && next <= end) yield end;
}

/**
 * Checks that `given` are the hashes of exactly the blocks in `touched`, of which it asks for one more than there are hashes at most; a
 * Failure `malformed` otherwise.
 */
export function* checkHashesGiven(given: CoarseHashes, touched: Iterable<number>): Steps<void> {
  let at = 0;
  for (const index of touched) {
    if (given.index(at++) !== index) throw otherHashes(given);
    if (at % STEP_ITEMS === 0) yield;
  }
  if (given.length !== at) throw otherHashes(given);
}

function otherHashes({ length }: CoarseHashes): Failure {
  return new Failure('malformed', 'The hashes given are not those of the blocks that the changes touch.', {
    detail: { given: length },
  });
}

/** What of a change list falls into one page: runs counted from the page's beginning, hashes as they are in the list. */
export interface PageChange {
  readonly page: number;
  readonly runs: readonly PlacedExtent[];
  readonly hashes: CoarseHashes;
}

/**
 * The pages that a change list touches, in order: those with a run or a new hash.
 */
export function* splitByPage(runs: readonly PlacedExtent[], hashes: CoarseHashes): Steps<PageChange[]> {
  const changes = new Map<number, { runs: PlacedExtent[]; hashes: CoarseHashes }>();
  const pageAt = (position: number): number => Math.floor(hashes.index(position)! / PAGE_BLOCKS);
  for (let from = 0, to = 0; from < hashes.length; from = to) {
    while (to < hashes.length && pageAt(to) === pageAt(from)) to++;
    changes.set(pageAt(from), { runs: [], hashes: hashes.slice(from, to) });
    if (changes.size % STEP_ITEMS === 0) yield;
  }
  let pieces = 0;
  for (const run of runs) {
    for (let done = 0; done < run.length; ) {
      const page = Math.floor((run.at + done) / PAGE_BYTES);
      const at = run.at + done - page * PAGE_BYTES;
      const length = Math.min(run.length - done, PAGE_BYTES - at);
      changes.get(page)?.runs.push({ at, length, pack: run.pack, offset: run.offset + done });
      done += length;
      if (++pieces % STEP_ITEMS === 0) yield;
    }
  }
  return [...changes].map(([page, change]) => ({ page, ...change }));
}

/** A page of `length` bytes: its base, or nothing, with the changes laid over it. A Failure `malformed` where bytes lack. */
export function changePage(base: MapPage | undefined, change: PageChange, length: number): MapPage {
  const extents = overlay(base?.extents ?? [], change.runs, length);
  const hashes = new Uint8Array(32 * coarseCount(length));
  hashes.set((base?.hashes ?? new Uint8Array(0)).subarray(0, hashes.length));
  for (const { index, hash } of change.hashes) hashes.set(hash, 32 * (index % PAGE_BLOCKS));
  return { hashes, extents };
}
