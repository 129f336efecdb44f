// What came out of a campaign, counted by fault, and the table it is told in.
import type { Fault } from './fault.ts';

export interface Broken {
  readonly fault: string;
  readonly run: number;
  readonly message: string;
  /** Where the world was left. */
  readonly evidence: string;
}

export class Tally {
  readonly fault: Fault;
  runs = 0;
  interruptions = 0;
  violations = 0;
  /** Bytes of uploads' bodies beyond what the packs that arrived have. */
  again = 0;
  /** Milliseconds from the end of a fault to the first good answer that passes, and to when every source has its receipt. */
  readonly goesOn: number[] = [];
  readonly heals: number[] = [];
  /** Seconds that its runs took, healing and checking included. */
  seconds = 0;

  constructor(fault: Fault) {
    this.fault = fault;
  }
}

/** The middle of `values`; 0 where there are none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

const number = (value: number) => Math.round(value).toLocaleString('en-US');
const seconds = (ms: number) => (ms / 1_000).toFixed(ms < 9_950 ? 2 : 1);

/** The middle of times and the longest. */
const times = (all: readonly number[]) => [seconds(median(all)), seconds(Math.max(0, ...all))];

/** A Markdown table: fault, interruptions (of the goal), violations, bytes sent again by interruption, times to go on and to heal. */
export function table(tallies: readonly Tally[]): string {
  const rows = tallies.map(({ fault, interruptions, violations, again, goesOn, heals }) => [
    fault.name,
    `${number(interruptions)} of ${number(fault.goal)}`,
    number(violations),
    number(interruptions > 0 ? again / interruptions : 0),
    ...times(goesOn),
    ...times(heals),
  ]);
  const sum = (of: (tally: Tally) => number) => tallies.reduce((total, tally) => total + of(tally), 0);
  const interruptions = sum((tally) => tally.interruptions);
  rows.push([
    'all',
    number(interruptions),
    number(sum((tally) => tally.violations)),
    number(interruptions > 0 ? sum((tally) => tally.again) / interruptions : 0),
    ...times(tallies.flatMap((tally) => tally.goesOn)),
    ...times(tallies.flatMap((tally) => tally.heals)),
  ]);
  const head = [
    'fault',
    'interruptions',
    'violations',
    'bytes sent again, each',
    'goes on after s: median',
    'most',
    'healed after s: median',
    'most',
  ];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(['---', ...head.slice(1).map(() => '--:')]), ...rows.map(line)].join('\n');
}
