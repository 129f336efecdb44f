// Whether it is worth trying to compress some bytes, told by a look at a few of them.

/** Every so many bytes one is looked at: a prime, so that no record length of a file falls into step with it. */
const STRIDE = 61;
/** How often two looked-at bytes are alike, as a multiple of how often two bytes of noise are. */
const LIKE_NOISE = 2.5;
/** Fewer than this tell nothing. */
const LEAST = 1_024;

const counts = new Uint32Array(256);

/**
 * True where no byte value is much more frequent than others: pictures, archives, what is compressed or encrypted already. Of store
 * bytes in frames of 128 KiB two fifths are like that; trying to compress them takes a third of the compressor's time, and what is
 * stored becomes smaller by 2 % of it. Repetition over a distance is not seen.
 */
export function looksLikeNoise(bytes: Uint8Array): boolean {
  const looked = Math.ceil(bytes.length / STRIDE);
  if (looked < LEAST) return false;
  counts.fill(0);
  for (let at = 0; at < bytes.length; at += STRIDE) counts[bytes[at]!]!++;
  let alike = 0;
  for (const count of counts) alike += count * (count - 1);
  return alike * counts.length < LIKE_NOISE * looked * (looked - 1);
}
