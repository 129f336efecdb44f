// What a run comes to: the mean of the days beside the first backup and the rest, each peer's time as a share of restic's.
import type { StepCost } from './peers/peer.ts';
import type { Row } from './side-by-side.ts';
import { megabytes, ratio, seconds, table } from './table.ts';

const HEAD = ['workload', 'step', 'peer', 'both ways MB', 'wall s', 'CPU s', 'wall x restic', 'CPU x restic'];
const NO_NUMBERS = HEAD.slice(3).map(() => '-');
const MEAN = 'mean of days';

/** Of some steps of a peer, on average. */
interface Mean {
  readonly bytes: number | null;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

/** A table of a line for each workload, step and peer: the days are one step. Bytes of peers without a wire are those they store. */
export function summaryTable(rows: readonly Row[]): string {
  const groups = new Map<string, { row: Row; step: string; costs: (StepCost | null)[] }>();
  for (const row of rows) {
    const step = row.step.startsWith('day ') ? MEAN : row.step;
    if (step === 'start' || step === 'end') continue;
    const key = [row.workload, step, row.peer].join('\n');
    const group = groups.get(key) ?? { row, step, costs: [] };
    group.costs.push(row.cost);
    groups.set(key, group);
  }
  const lines = [...groups.values()].map(({ row, step, costs }) => {
    const mean = meanOf(costs);
    if (mean === null) return [row.workload, step, row.peer, ...NO_NUMBERS];
    const restic = meanOf(groups.get([row.workload, step, 'restic'].join('\n'))?.costs ?? []);
    return [
      row.workload,
      step,
      row.peer,
      megabytes(mean.bytes),
      seconds(mean.wallSeconds),
      seconds(mean.cpuSeconds),
      ratio(mean.wallSeconds, restic?.wallSeconds),
      ratio(mean.cpuSeconds, restic?.cpuSeconds),
    ];
  });
  return table(HEAD, lines);
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
