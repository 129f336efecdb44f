// What a run comes to: the mean of the days beside the first backup and the rest, each peer's time as a share of restic's.
import type { StepCost } from './peers/peer.ts';
import type { Row } from './side-by-side.ts';
import { megabytes, ratio, seconds, table } from './table.ts';

const HEAD = ['workload', 'step', 'peer', 'both ways MB', 'wall s', 'CPU s', 'wall x restic', 'CPU x restic'];
const MEAN = 'mean of days';

/** Of some steps of a peer in one round, on average. */
interface Mean {
  readonly bytes: number | null;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

/** What a line of the table is of. */
interface Group {
  readonly row: Row;
  readonly step: string;
  /** By round. */
  readonly costs: Map<number, (StepCost | null)[]>;
}

/**
 * A table of a line for each workload, step and peer: the days are one step. Bytes of peers without a wire are those they store. Of
 * several rounds it tells the median, and of the shares, each within its round, also the least and the most.
 */
export function summaryTable(rows: readonly Row[]): string {
  const groups = new Map<string, Group>();
  const rounds = new Map<string, Set<number>>();
  for (const row of rows) {
    rounds.set(row.workload, (rounds.get(row.workload) ?? new Set()).add(row.round));
    const step = row.step.startsWith('day ') ? MEAN : row.step;
    if (step === 'start' || step === 'end') continue;
    const key = [row.workload, step, row.peer].join('\n');
    const group: Group = groups.get(key) ?? { row, step, costs: new Map() };
    groups.set(key, group);
    group.costs.set(row.round, [...(group.costs.get(row.round) ?? []), row.cost]);
  }
  return table(
    HEAD,
    [...groups.values()].map((group) => {
      const { row, step } = group;
      return line(group, groups.get([row.workload, step, 'restic'].join('\n')), rounds.get(row.workload)!);
    }),
  );
}

function line({ row, step, costs }: Group, restic: Group | undefined, rounds: Set<number>): string[] {
  // A round that it did not come to counts as well: it failed in it before.
  const means = [...rounds].map((round) => ({
    mean: meanOf(costs.get(round) ?? []),
    restic: meanOf(restic?.costs.get(round) ?? []),
  }));
  const each = (of: (mean: Mean) => number | null) => means.map(({ mean }) => mean && of(mean));
  const shares = (of: (mean: Mean) => number) =>
    means.map((one) => (one.mean && one.restic ? of(one.mean) / of(one.restic) : null));
  return [
    row.workload,
    step,
    row.peer,
    megabytes(median(each(({ bytes }) => bytes))),
    seconds(median(each(({ wallSeconds }) => wallSeconds))),
    seconds(median(each(({ cpuSeconds }) => cpuSeconds))),
    spread(shares(({ wallSeconds }) => wallSeconds)),
    spread(shares(({ cpuSeconds }) => cpuSeconds)),
  ];
}

/** null where one of them is not known: a mean of fewer days would be another figure. */
function meanOf(costs: readonly (StepCost | null)[]): Mean | null {
  const known = costs.filter((cost) => cost !== null);
  if (known.length === 0 || known.length < costs.length) return null;
  const mean = (of: (cost: StepCost) => number): number =>
    known.reduce((sum, cost) => sum + of(cost), 0) / known.length;
  return {
    bytes: known.some(({ up }) => up === null) ? null : mean(({ up, down }) => up! + (down ?? 0)),
    wallSeconds: mean(({ wallSeconds }) => wallSeconds),
    cpuSeconds: mean(({ device }) => device.cpuSeconds),
  };
}

/** null where one is not known: the median of fewer rounds would be another figure. */
function median(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (known.length === 0 || known.length < values.length) return null;
  const middle = known.length / 2;
  return (known[Math.ceil(middle) - 1]! + known[Math.floor(middle)]!) / 2;
}

/** The median of shares, and between what they lie where there are several. */
export function spread(shares: readonly (number | null)[]): string {
  const middle = ratio(median(shares), 1);
  if (shares.length < 2 || middle === '-') return middle;
  const known = shares.filter((share) => share !== null);
  return `${middle} (${ratio(Math.min(...known), 1)} to ${ratio(Math.max(...known), 1)})`;
}
