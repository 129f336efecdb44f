// Shares of another build: each within its round, and none where one of the two did not come to an end.
import { expect, test } from 'vitest';
import { againstTable } from './against.ts';
import type { Row } from './side-by-side.ts';

function row(peer: string, round: number, wallSeconds: number | null): Row {
  const usage = { cpuSeconds: 2, peakBytes: 100 };
  const cost = wallSeconds === null ? null : { up: 10, down: 0, wallSeconds, device: usage, server: usage };
  return { workload: 'dense', round, peer, step: 'first', cost, problem: cost ? null : 'failed' };
}

const cells = (rows: readonly Row[]) => againstTable(rows).split('\n').at(-1)!.split(/ {2,}/);

test('the median of the shares of all rounds, with the least and the most', () => {
  const rows = [
    ...[2, 3, 5].map((wall, at) => row('mailferry-direct', at + 1, wall)),
    ...[4, 4, 4].map((wall, at) => row('against', at + 1, wall)),
  ];
  expect(cells(rows).slice(0, 4)).toEqual(['dense', 'first', '1.00 (1.00 to 1.00)', '0.75 (0.50 to 1.25)']);
});

test('nothing where a round of either failed', () => {
  expect(cells([row('mailferry-direct', 1, 2), row('against', 1, null)])[3]).toBe('-');
});
