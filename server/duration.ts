// A span of time as people write it on a command line: 90s, 15m, 12h, 30d. Pure.
import { Failure } from '../shared/failure.ts';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Ten years: beyond that it is a mistake, and a date may not be representable. */
const LONGEST_MS = 10 * 365 * 86_400_000;

/** Milliseconds of `text`; a Failure `usage` where it is no span, not above zero or longer than ten years. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})([smhd])$/.exec(text);
  const ms = match ? Number(match[1]) * UNIT_MS[match[2]!]! : 0;
  if (ms <= 0 || ms > LONGEST_MS)
    throw new Failure('usage', `"${text}" is no span of time such as 15m, 12h or 30d.`);
  return ms;
}
