// Chance with a seed: the same numbers and bytes every time.

/** Numbers from 0 (inclusive) to 1 (exclusive): mulberry32, small and good enough for tests. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** `length` bytes that no compressor makes smaller. */
export function randomBytes(random: () => number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  const whole = length - (length % 4);
  for (let at = 0; at < whole; at += 4) bytes.writeUInt32LE((random() * 4_294_967_296) >>> 0, at);
  for (let at = whole; at < length; at++) bytes[at] = random() * 256;
  return bytes;
}
