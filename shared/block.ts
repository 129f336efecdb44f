// The two block sizes everything is counted in, and what may be handed in to hash with.

/** Bytes in a coarse block: what a version's hashes and the server's verification count in. */
export const COARSE = 65_536;

/**
 * Bytes in a fine block: what the device compares inside a coarse block that changed. Outlook writes 512-byte pages
 * and blocks of up to 8 KiB; of the sizes measured, 1 KiB sends the least on both fresh and aged stores for its cost.
 */
export const FINE = 1_024;

/** Fine blocks in a coarse one. */
export const FINE_PER_COARSE = COARSE / FINE;

/**
 * Most bytes of a version: 1 TiB, ten times what Outlook lets a store grow to by policy and more than any is. The list of its pages
 * takes 48 MB then, and whoever reads one byte of it reads that list.
 */
export const MAX_VERSION_BYTES = 1_099_511_627_776;

/** SHA-256 of the bytes given: 32 bytes. Handed in, since shared/ knows no runtime. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** How many coarse blocks `size` bytes take; the last one may be short. */
export function coarseCount(size: number): number {
  return Math.ceil(size / COARSE);
}

/** Length in bytes of coarse block `index` of a source of `size` bytes; 0 past its end. */
export function coarseLength(index: number, size: number): number {
  return Math.max(0, Math.min(COARSE, size - index * COARSE));
}
