// What this build takes as a share of what another takes, step by step, each share within its round.
import { AGAINST, mailferryDirect } from './peers/mailferry.ts';
import type { StepCost } from './peers/peer.ts';
import type { Row } from './side-by-side.ts';
import { spread } from './summary.ts';
import { table } from './table.ts';

const HEAD = ['workload', 'step', 'bytes', 'wall', 'device CPU', 'server CPU', 'device peak', 'server peak'];

const FIGURES: readonly ((cost: StepCost) => number)[] = [
  ({ up, down }) => (up ?? 0) + (down ?? 0),
  ({ wallSeconds }) => wallSeconds,
  ({ device }) => device.cpuSeconds,
  ({ server }) => server?.cpuSeconds ?? 0,
  ({ device }) => device.peakBytes,
  ({ server }) => server?.peakBytes ?? 0,
];

/** A table of a line for each workload and step: medians of all rounds, and between what they lie; below 1 this build takes less. */
export function againstTable(rows: readonly Row[]): string {
  const ours = rows.filter(({ peer, step }) => peer === mailferryDirect.name && step !== 'end');
  const steps = new Map(ours.map((row) => [`${row.workload} ${row.step}`, row]));
  return table(
    HEAD,
    [...steps.values()].map(({ workload, step }) => {
      const pairs = ours
        .filter((row) => row.workload === workload && row.step === step)
        .map((row) => ({ our: row.cost, their: costOf(rows, row) }));
      const share = (of: (cost: StepCost) => number) =>
        spread(pairs.map(({ our, their }) => (our && their && of(their) > 0 ? of(our) / of(their) : null)));
      return [workload, step, ...FIGURES.map(share)];
    }),
  );
}

function costOf(rows: readonly Row[], { workload, step, round }: Row): StepCost | null {
  const same = (row: Row) => row.workload === workload && row.step === step && row.round === round;
  return rows.find((row) => row.peer === AGAINST && same(row))?.cost ?? null;
}
