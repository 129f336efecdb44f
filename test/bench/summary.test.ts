// The means and shares that a run comes to.
import { expect, it } from 'vitest';
import type { StepCost } from './peers/peer.ts';
import { summaryTable } from './summary.ts';

const cost = (up: number | null, wallSeconds: number, cpuSeconds: number): StepCost => ({
  up,
  down: up === null ? null : 1_000_000,
  wallSeconds,
  device: { cpuSeconds, peakBytes: 1 },
  server: null,
});
const row = (peer: string, step: string, value: StepCost | null, round = 1) => ({
  workload: 'dense',
  round,
  peer,
  step,
  cost: value,
  problem: value ? null : 'broke',
});

it('takes the days as one, adds both ways, and shares of restic in the same step', () => {
  const text = summaryTable([
    row('mailferry', 'day 1', cost(3_000_000, 1, 1)),
    row('restic', 'day 1', cost(90_000_000, 3, 4)),
    row('mailferry', 'day 2', cost(5_000_000, 2, 2)),
    row('restic', 'day 2', cost(90_000_000, 1, 2)),
  ]);
  const cells = text.split('\n').map((line) => line.split(/ {2,}/));
  expect(cells[2]).toEqual(['dense', 'mean of days', 'mailferry', '5.00', '1.50', '1.50', '0.75', '0.50']);
  expect(cells[3]).toEqual(['dense', 'mean of days', 'restic', '91.00', '2.00', '3.00', '1.00', '1.00']);
});

it('gives no mean where a day failed, and no share without restic', () => {
  const text = summaryTable([
    row('rsync', 'first', cost(null, 1, 1)),
    row('rsync', 'day 1', cost(1, 1, 1)),
    row('rsync', 'day 2', null),
  ]);
  const cells = text.split('\n').map((line) => line.trim().split(/ {2,}/));
  expect(cells[2]).toEqual(['dense', 'first', 'rsync', '-', '1.00', '1.00', '-', '-']);
  expect(cells[3]).toEqual(['dense', 'mean of days', 'rsync', '-', '-', '-', '-', '-']);
});

it('of several rounds tells the medians, and between what the shares of each round lie', () => {
  const rounds = [
    [1, 2],
    [9, 3],
    [2, 5],
  ] as const;
  const text = summaryTable(
    rounds.flatMap(([ours, theirs], i) => [
      row('mailferry', 'first', cost(1_000_000, ours, ours), i + 1),
      row('restic', 'first', cost(1, theirs, 2 * theirs), i + 1),
    ]),
  );
  const cells = text.split('\n').map((line) => line.split(/ {2,}/));
  expect(cells[2]).toEqual([
    ...['dense', 'first', 'mailferry', '2.00', '2.00', '2.00'],
    '0.50 (0.40 to 3.00)',
    '0.25 (0.20 to 1.50)',
  ]);
});

it('of two rounds tells what lies between them, and of none where one failed', () => {
  const both = summaryTable([row('tus', 'first', cost(1, 1, 1)), row('tus', 'first', cost(1, 2, 4), 2)]);
  expect(both.split('\n')[2]!.split(/ {2,}/).slice(4, 6)).toEqual(['1.50', '2.50']);
  for (const failed of ['first', 'start']) {
    const one = summaryTable([row('tus', 'first', cost(1, 1, 1)), row('tus', failed, null, 2)]);
    expect(one.split('\n')[2]!.split(/ {2,}/).slice(3)).toEqual(['-', '-', '-', '-', '-']);
  }
});
