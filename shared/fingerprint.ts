// The two-level fingerprint: what the device remembers of each coarse block that the server holds, and what follows from it.
import { COARSE, FINE, FINE_PER_COARSE } from './block.ts';
import { sameBytes } from './byte-codec.ts';

/*
 * One record a coarse block, 560 bytes for 64 KiB (9 MB for a 1 GiB source), in the order of the source:
 *
 *   tag   16  keyed one-time authenticator of the block, compared first: all that is computed for a block that rests.
 *             Zero: not known (the record came from the server).
 *   sha256 32 of the block: the leaf of the version's root
 *   fine  512 a keyed 64-bit hash for each of its 64 fine blocks. All zero with a zero tag: not known.
 *
 * Two different blocks have the same tag with a chance below 2^-90 for every key (Poly1305's bound for 64 KiB), and the
 * key never leaves the device, so nobody can aim at it. Fine hashes may miss a change with a chance of 2^-32 (NH's bound):
 * such a miss is caught by the coarse SHA-256, which the server compares, and the block is then sent whole.
 */
export const TAG_BYTES = 16;
export const FINE_HASH_BYTES = 8;
export const RECORD_BYTES = TAG_BYTES + 32 + FINE_PER_COARSE * FINE_HASH_BYTES;

/** Views into the bytes of one record. */
export interface FingerprintRecord {
  readonly tag: Uint8Array;
  readonly sha256: Uint8Array;
  readonly fine: Uint8Array;
}

/** Record `index` of the records that lie one after another in `bytes`. */
export function recordAt(bytes: Uint8Array, index: number): FingerprintRecord {
  const at = index * RECORD_BYTES;
  return {
    tag: bytes.subarray(at, at + TAG_BYTES),
    sha256: bytes.subarray(at + TAG_BYTES, at + TAG_BYTES + 32),
    fine: bytes.subarray(at + TAG_BYTES + 32, at + RECORD_BYTES),
  };
}

/** Whether tag and fine hashes of a record are known, or only its SHA-256. */
export function isComplete(record: FingerprintRecord): boolean {
  return record.tag.some((byte) => byte !== 0);
}

/** A run of bytes inside one coarse block. */
export interface Run {
  readonly from: number;
  readonly to: number;
}

/**
 * The runs of a block of `length` bytes whose fine hashes differ between `before` and `now`, neighbours joined.
 * Where nothing differs (a miss of the fine hashes, since the block is known to have changed): the whole block.
 */
export function changedRuns(before: Uint8Array, now: Uint8Array, length: number): Run[] {
  const runs: Run[] = [];
  for (let index = 0; index * FINE < length; index++) {
    const at = index * FINE_HASH_BYTES;
    if (sameBytes(before.subarray(at, at + FINE_HASH_BYTES), now.subarray(at, at + FINE_HASH_BYTES)))
      continue;
    const from = index * FINE;
    const to = Math.min(length, from + FINE);
    const last = runs.at(-1);
    if (last?.to === from) runs[runs.length - 1] = { from: last.from, to };
    else runs.push({ from, to });
  }
  return runs.length > 0 ? runs : wholeBlock(length);
}

/** The whole of a block, as its one run: where the size of the block itself changed. No run where it is empty. */
export function wholeBlock(length: number): Run[] {
  return length > 0 ? [{ from: 0, to: Math.min(length, COARSE) }] : [];
}
