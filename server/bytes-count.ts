// A number of bytes as people write it on a command line: 500000, 64M, 200G, 2T. Decimal units. Pure.
import { Failure } from '../shared/failure.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** Bytes in `text`; a Failure `usage` where it is no number of bytes above zero. */
export function parseBytes(text: string): number {
  const match = /^(\d{1,15})([kMGT]?)$/.exec(text);
  const bytes = match ? Number(match[1]) * UNITS[match[2]!]! : 0;
  if (bytes <= 0 || !Number.isSafeInteger(bytes)) {
    throw new Failure('usage', `"${text}" is no number of bytes such as 500000, 64M or 200G.`);
  }
  return bytes;
}
