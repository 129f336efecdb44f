// Thousands of lives of a device in a world that breaks, out of seeds: nothing acknowledged is lost, and everything comes right.
import { execFile } from 'node:child_process';
import { availableParallelism, constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { BACKUP_EVENTS } from '../../client/backup/backup-states.ts';
import { UPLOAD_EVENTS } from '../../client/upload/upload-states.ts';
import { SABOTAGES } from './sabotage.ts';

/** Processes of their own: the simulated world replaces the disk and the timers of Node. */
const MAIN = fileURLToPath(new URL('../../dist/test/simulation/main.js', import.meta.url));
const run = promisify(execFile);

/** To replay one: `node dist/test/simulation/main.js --from SEED --trace`. */
const FIRST_SEED = 1;
const SEEDS = 10_000;
/** Of one process, which keeps 1.5 MB of each: with 5,000 it has 7 GB, and gets slower by that. */
const SEEDS_OF_PROCESS = 625;
/** A sabotage must be found in this many. */
const SEEDS_OF_SABOTAGE = 500;
/** Minutes where a machine has other things to do. */
const PATIENCE_MS = 1_800_000;

interface Report {
  readonly seeds: number;
  /** How often events of backups and packs came up. */
  readonly met: Readonly<Record<string, number>>;
  readonly broken: readonly { readonly seed: number; readonly violation: string }[];
}

async function simulated(...words: string[]): Promise<{ lines: string[]; report: Report }> {
  const running = run(process.execPath, [MAIN, ...words], { maxBuffer: 64 * 1024 * 1024 });
  // Its clock is its own: what other tests measure by the real one comes first.
  setPriority(running.child.pid!, constants.priority.PRIORITY_LOW);
  const { stdout } = await running;
  const lines = stdout.trimEnd().split('\n');
  return { lines, report: JSON.parse(lines.pop()!) as Report };
}

test(`${SEEDS} seeds, nothing broken`, { timeout: PATIENCE_MS }, async () => {
  const lanes = Math.min(2, availableParallelism());
  const reports: Awaited<ReturnType<typeof simulated>>[] = [];
  let next = FIRST_SEED;
  const lane = async () => {
    while (next < FIRST_SEED + SEEDS) {
      const from = next;
      next += SEEDS_OF_PROCESS;
      reports.push(await simulated('--from', String(from), '--count', String(SEEDS_OF_PROCESS)));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  expect(reports.flatMap(({ report }) => report.broken)).toEqual([]);
  expect(reports.reduce((sum, { report }) => sum + report.seeds, 0)).toBe(SEEDS);
  // Nothing is shown of what never came up.
  const met = new Set(reports.flatMap(({ report }) => Object.keys(report.met)));
  const all = [
    ...BACKUP_EVENTS.map((event) => `backup ${event}`),
    ...UPLOAD_EVENTS.map((event) => `pack ${event}`),
  ];
  expect(all.filter((event) => !met.has(event))).toEqual([]);
});

test('a seed run twice gives the same trace, whatever ran before it', async () => {
  const alone = await simulated('--from', '205', '--trace');
  const again = await simulated('--from', '205', '--trace');
  const after = await simulated('--from', '203', '--count', '3', '--trace');
  expect(alone.lines.length).toBeGreaterThan(20);
  expect(again.lines).toEqual(alone.lines);
  expect(after.lines.slice(-alone.lines.length)).toEqual(alone.lines);
});

describe('a device is caught that has one mistake', () => {
  test.each(Object.keys(SABOTAGES))('%s', { timeout: PATIENCE_MS }, async (name) => {
    const { report } = await simulated('--count', String(SEEDS_OF_SABOTAGE), '--sabotage', name);
    expect(report.broken).toHaveLength(1);
  });
});
