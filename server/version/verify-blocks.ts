// Before a receipt: every coarse block that a commit changed is proven by a frame or read back through the new extents.
import { COARSE, coarseLength } from '../../shared/block.ts';
import { sameBytes } from '../../shared/byte-codec.ts';
import type { ChangeList } from '../../shared/change-list.ts';
import { type PlacedExtent, slice } from '../../shared/extents.ts';
import { Failure } from '../../shared/failure.ts';
import { Turn } from '../in-turns.ts';
import type { CheckedPacks } from '../pack/checked-packs.ts';
import { DueFrames, type PackReader } from '../pack/pack-reader.ts';
import { sha256 } from '../sha256.ts';
import { markProven } from './proven-by-frames.ts';
import { type MapPage, PAGE_BLOCKS } from './version-map.ts';
import type { VersionReader } from './version-reader.ts';

/** Blocks read at once: the disk and the decoder don't wait for each other, and memory stays small. */
const AT_ONCE = 4;
/** Indexes of packs read at once: few, since one of 65,536 frames takes megabytes while it is read. */
const INDEXES_AT_ONCE = 4;
/**
 * Raw bytes of frames that are compared where blocks differ, to see whose fault it is. A list of four bytes for each run could have one
 * compared for each; a device that is told of blocks sends them again, which heals what is damaged too.
 */
const MOST_COMPARED = 268_435_456;
/** Most indices that a `blocks_differ` names: a device that has more wrong sends everything anyway. */
const MOST_NAMED = 1_000;

export interface NewVersion {
  readonly size: number;
  /** Its runs name packs by their row. */
  readonly changes: ChangeList;
  /** The pages that the changes touch, by number. */
  readonly pages: ReadonlyMap<number, MapPage>;
}

export interface VerifyPorts {
  readonly packs: PackReader;
  readonly reader: VersionReader;
  /** What lies in any other pack is read: it may have rotted since it came, with its index intact. */
  readonly checked: CheckedPacks;
}

/**
 * Resolves when every block in the change list is what its hash says. A Failure `blocks_differ` names those that are not;
 * a Failure `pack_damaged` where that is the fault of a pack on this server and not of the commit.
 */
export async function verifyBlocks(
  device: string,
  version: NewVersion,
  { packs, reader, checked }: VerifyPorts,
): Promise<void> {
  const { coarse } = version.changes;
  const proven = new Uint8Array(coarse.length);
  const { runs } = version.changes;
  const mark = async (run: PlacedExtent): Promise<void> => {
    const pack = await reader.pack(run.pack);
    if (pack.kind === 'pack' && checked.has(device, pack.id))
      markProven(run, await packs.index(device, pack), coarse, version.size, proven);
  };
  // A run of a first backup is a pack, and its index four short reads that wait for each other.
  const turn = new Turn();
  for (let at = 0; at < runs.length; at += INDEXES_AT_ONCE) {
    await Promise.all(runs.slice(at, at + INDEXES_AT_ONCE).map(mark));
    await turn.breathe();
  }
  const differing: number[] = [];
  const due = new DueFrames(MOST_COMPARED);
  // Taken in the order of the version, in which neighbours share frames; the workers draw from one row.
  let next = 0;
  const work = async (): Promise<void> => {
    const buffer = new Uint8Array(COARSE);
    while (next < coarse.length) {
      const position = next++;
      await turn.breathe();
      if (proven[position] === 1) continue;
      const index = coarse.index(position)!;
      const declared = { index, hash: coarse.hash(position) };
      if (!(await isAsDeclared(version, declared, { reader, buffer, due }))) differing.push(index);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (differing.length > 0) {
    const blocks = differing.sort((a, b) => a - b).slice(0, MOST_NAMED);
    throw new Failure('blocks_differ', `${differing.length} blocks are not what their hashes say.`, {
      detail: { blocks },
    });
  }
}

async function isAsDeclared(
  { pages, size }: NewVersion,
  { index, hash }: { index: number; hash: Uint8Array },
  { reader, buffer, due }: { reader: VersionReader; buffer: Uint8Array; due: DueFrames },
): Promise<boolean> {
  const page = pages.get(Math.floor(index / PAGE_BLOCKS));
  const from = (index % PAGE_BLOCKS) * COARSE;
  const bytes = buffer.subarray(0, coarseLength(index, size));
  const extents = slice(page?.extents ?? [], from, from + bytes.length);
  await reader.fill(extents, bytes);
  if (sameBytes(sha256(bytes), hash)) return true;
  await reader.checkPacks(extents, due);
  return false;
}
