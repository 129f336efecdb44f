// Loaded before the program (node --import): its wall clock is that of the machine plus the milliseconds in a file, looked up anew
// every few milliseconds. The monotonic clock stays as it is.
import { readFileSync } from 'node:fs';

const file = process.env.CAMPAIGN_CLOCK;
const RealDate = Date;
const realNow = Date.now.bind(Date);
let shift = 0;
let lookedAt = Number.NEGATIVE_INFINITY;

function now(): number {
  const at = performance.now();
  if (file && at - lookedAt > 20) {
    lookedAt = at;
    try {
      shift = Number(readFileSync(file, 'utf8')) || 0;
    } catch {
      // The clock stays as it was.
    }
  }
  return realNow() + shift;
}

class ShiftedDate extends RealDate {
  constructor(...args: [] | [number | string | Date]) {
    if (args.length === 0) super(now());
    else super(...(args as [number]));
  }

  static override now(): number {
    return now();
  }
}

if (file) globalThis.Date = ShiftedDate as DateConstructor;
