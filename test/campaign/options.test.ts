// The command line of the campaign, and the table it ends in.
import { expect, test } from 'vitest';
import { FAULTS } from './faults/all.ts';
import { parseOptions } from './options.ts';
import { median, Tally, table } from './tally.ts';

test('what is left out has a default, the seed is the day', () => {
  expect(parseOptions([], '2026-11-24')).toMatchObject({
    minutes: 90,
    seed: '2026-11-24',
    only: [],
    worlds: 2,
  });
});

test('faults are named, some or all but some', () => {
  const { only, without } = parseOptions(['--only', 'kill', '--without', 'black', '--only', 'power'], '');
  expect({ only, without }).toEqual({ only: ['kill', 'power'], without: ['black'] });
});

test.each([
  ['--minutes', '0'],
  ['--minutes', 'ten'],
  ['--runs', '0'],
  ['--worlds', '1.5'],
])('%s %s is refused', (...words) => {
  expect(() => parseOptions(words, '')).toThrow(words[0]);
});

test('no two faults have a name that is the beginning of the other', () => {
  const names = FAULTS.map(({ name }) => name);
  for (const name of names) expect(names.filter((other) => other.startsWith(name))).toEqual([name]);
});

test('goals are those of the issue', () => {
  const goal = (beginning: string) =>
    FAULTS.filter(({ name }) => name.startsWith(beginning)).reduce((sum, fault) => sum + fault.goal, 0);
  expect(goal('kill -9 of the device')).toBe(500);
  expect(goal('kill -9 of the server')).toBe(500);
  expect(goal('kill -9 at the n-th rename')).toBe(200);
  expect(goal('power cut')).toBeGreaterThanOrEqual(200);
  expect(goal('connection reset')).toBe(400);
  expect(goal('black hole')).toBe(100);
  expect(goal('reply lost after commit')).toBe(100);
  expect(goal('suspend')).toBe(40);
  expect(goal('full disk')).toBe(60);
  expect(goal('damaged')).toBeGreaterThanOrEqual(500);
  expect(goal('clock jump')).toBe(60);
  expect(goal('EIO or ENOSPC')).toBe(100);
});

test('the table counts by interruption, and sums', () => {
  const tallies = FAULTS.slice(0, 2).map((fault) => new Tally(fault));
  Object.assign(tallies[0]!, {
    runs: 2,
    interruptions: 4,
    again: 4_000,
    goesOn: [500, 1_500, 700],
    heals: [2_000, 8_000],
  });
  Object.assign(tallies[1]!, { runs: 1, interruptions: 6, violations: 1, heals: [20_000] });
  const lines = table(tallies).split('\n');
  expect(lines[2]).toBe('| kill -9 of the device | 4 of 500 | 0 | 1,000 | 0.70 | 1.50 | 8.00 | 8.00 |');
  expect(lines.at(-1)).toBe('| all | 10 | 1 | 400 | 0.70 | 1.50 | 8.00 | 20.0 |');
  expect(median([])).toBe(0);
});
