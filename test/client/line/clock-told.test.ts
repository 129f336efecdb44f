// From where on a clock is told to be wrong, and in which words.
import { expect, test } from 'vitest';
import { clockTold } from '../../../client/line/clock-told.ts';

const DAY_MS = 86_400_000;

test.each([
  [null, null],
  [0, null],
  [DAY_MS, null],
  [-DAY_MS, null],
  [DAY_MS + 1, '1 day ahead of'],
  [-DAY_MS - 1, '1 day behind'],
  [3 * DAY_MS, '3 days ahead of'],
  [-3.9 * DAY_MS, '3 days behind'],
  [20_000 * DAY_MS, '20000 days ahead of'],
])('B2: %s ms off is told as %s', (aheadMs, off) => {
  const told = clockTold(aheadMs);
  if (off === null) expect(told).toBeNull();
  else expect(told).toContain(`clock is ${off} the server's: set it.`);
});
