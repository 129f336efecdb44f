// The one table of a run, all peers side by side, and what its columns mean.
import type { Peer } from './peers/peer.ts';
import { LEAST, type Row } from './side-by-side.ts';
import { megabytes, ratio, seconds, table } from './table.ts';

const HEAD = [
  'workload',
  'round',
  'step',
  'peer',
  'up MB',
  'down MB',
  'wall s',
  'CPU s',
  'server CPU s',
  'peak MB',
  'server peak MB',
  'x least',
  'x restic',
  'x rsync8k',
  'note',
];
/** Those that hold figures: between what the row is of and the note. */
const NUMBERS = HEAD.length - 5;

export function reportTable(rows: readonly Row[]): string {
  const ordered = [...rows].sort((a, b) => stepRank(rows, a) - stepRank(rows, b));
  return table(
    HEAD,
    ordered.map((row) => line(rows, row)),
  );
}

/** Peers that failed to start come first in their workload, as rows were written when they ended. */
function stepRank(rows: readonly Row[], row: Row): number {
  const key = ({ workload, round, step }: Row): string => `${workload} ${round} ${step}`;
  return rows.findIndex((other) => key(other) === key(row));
}

function line(rows: readonly Row[], row: Row): string[] {
  const { workload, round, step, peer, cost } = row;
  const names = [workload, String(round), step, peer];
  if (cost === null) return [...names, ...Array<string>(NUMBERS).fill('-'), headline(row.problem ?? '')];
  return [
    ...names,
    megabytes(cost.up),
    megabytes(cost.down),
    seconds(cost.wallSeconds),
    seconds(cost.device.cpuSeconds),
    seconds(cost.server?.cpuSeconds),
    megabytes(cost.device.peakBytes),
    megabytes(cost.server?.peakBytes),
    ...[LEAST, 'restic', 'rsync8k'].map((other) => ratio(moved(row), moved(sameStep(rows, row, other)))),
    '',
  ];
}

/** The line that says what went wrong; the whole of it is in the JSON. */
function headline(problem: string): string {
  const lines = problem.split('\n');
  return (lines.find((text) => /error/i.test(text)) ?? lines[0] ?? '').trim();
}

function sameStep(rows: readonly Row[], { workload, round, step }: Row, peer: string): Row | undefined {
  return rows.find(
    (other) =>
      other.workload === workload && other.round === round && other.step === step && other.peer === peer,
  );
}

/** What ratios compare: the bytes of the step's own direction. An unchanged day costs next to none: no ratio. */
function moved(row: Row | undefined): number | null {
  if (row === undefined || row.cost === null || row.step === 'unchanged') return null;
  return row.step === 'restore' ? row.cost.down : row.cost.up;
}

export function legend(peers: readonly Peer[], least: boolean): string {
  const lines = peers.map((peer) => `${peer.name}: ${peer.how}; up is ${meaning(peer)}`);
  if (least) lines.push(`${LEAST}: zstd --patch-from with both files at hand; up is the size of the patch`);
  lines.push('MB are millions of bytes; peaks are of the largest process; files are in the page cache.');
  lines.push('unchanged: neither the bytes nor the times of the file have changed since the day before.');
  return lines.join('\n');
}

function meaning(peer: Peer): string {
  return peer.measure === 'wire'
    ? 'bytes on the wire with all headers above TCP'
    : 'the growth of the repository, not a wire';
}
