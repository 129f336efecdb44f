// A source of the simulation: a mail store of a few blocks that changes in place, grows and shrinks.
import { COARSE, FINE } from '../../shared/block.ts';
import type { Chance } from './chance.ts';

/** A new content of `blocks` coarse blocks, the last one shorter in most cases. */
export function newContent(chance: Chance): Buffer {
  const size =
    COARSE * chance.whole(0, 2) + (chance.is(0.2) ? COARSE : chance.whole(1, 64) * FINE - chance.whole(0, 9));
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += 8 * FINE) refill(bytes, at, 8 * FINE, chance);
  return bytes;
}

/** `before` after somebody used it. */
export function changedContent(before: Buffer, chance: Chance): Buffer {
  let bytes = Buffer.from(before);
  if (chance.is(0.25)) {
    const size = Math.max(1, before.length + chance.whole(-40, 60) * FINE + chance.whole(-3, 3));
    bytes = Buffer.alloc(Math.min(size, 4 * COARSE));
    before.copy(bytes);
    if (size > before.length) refill(bytes, before.length, size - before.length, chance);
  }
  for (let times = chance.is(0.1) ? 40 : chance.whole(1, 3); times > 0; times--) {
    const at = chance.whole(0, Math.floor((bytes.length - 1) / FINE)) * FINE;
    refill(bytes, at, FINE, chance);
  }
  return bytes;
}

/** Compresses to next to nothing, and is nowhere else the same. */
function refill(bytes: Buffer, at: number, length: number, chance: Chance): void {
  const pattern = Buffer.alloc(4);
  pattern.writeUInt32LE(chance.whole(0, 2 ** 32 - 1));
  bytes.fill(pattern, at, Math.min(bytes.length, at + length));
}
