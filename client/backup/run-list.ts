// The runs of a source that went into one pack, in the order of the source and of the pack, as a database row keeps them.
import { COARSE } from '../../shared/block.ts';
import { ByteReader, ByteWriter } from '../../shared/byte-codec.ts';
import type { PlacedExtent } from '../../shared/extents.ts';

/** `length` bytes of the source from byte `at`. */
export interface SourceRun {
  readonly at: number;
  readonly length: number;
}

/** Appends a run; one that continues the last is joined to it. */
export function addRun(runs: SourceRun[], at: number, length: number): void {
  const last = runs.at(-1);
  if (last && last.at + last.length === at)
    runs[runs.length - 1] = { at: last.at, length: last.length + length };
  else runs.push({ at, length });
}

export function encodeRuns(runs: readonly SourceRun[]): Uint8Array {
  const out = new ByteWriter().varint(runs.length);
  let end = 0;
  for (const run of runs) {
    out.varint(run.at - end).varint(run.length);
    end = run.at + run.length;
  }
  return out.view().slice();
}

/** The runs as extents over `pack`, whose raw bytes they are, one after another. */
export function decodeRuns(bytes: Uint8Array, pack: string): PlacedExtent[] {
  const reader = new ByteReader(bytes);
  const runs: PlacedExtent[] = [];
  let end = 0;
  let offset = 0;
  for (let left = reader.count(2); left > 0; left--) {
    const at = end + reader.varint();
    const length = reader.varint();
    runs.push({ at, length, pack, offset });
    end = at + length;
    offset += length;
  }
  reader.end();
  return runs;
}

/** Indices of the coarse blocks that the runs touch, rising, each once. */
export function touchedBlocks(runs: readonly SourceRun[]): number[] {
  const touched: number[] = [];
  for (const { at, length } of runs) {
    const last = Math.floor((at + length - 1) / COARSE);
    for (let index = Math.floor(at / COARSE); index <= last; index++) {
      if (touched.at(-1) !== index) touched.push(index);
    }
  }
  return touched;
}
