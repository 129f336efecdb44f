// One run of all peers on the same days: step by step, so that a noisy minute of the machine hits all of them.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { leastKnown } from './peers/least.ts';
import type { Peer, Protection, Room, StepCost } from './peers/peer.ts';
import { becomeDay, sha256 } from './work-file.ts';

export type Row = {
  readonly workload: string;
  /** From 1. */
  readonly round: number;
  readonly peer: string;
  readonly step: string;
  readonly cost: StepCost | null;
  /** Why there is no cost: not installed, or what went wrong. */
  readonly problem: string | null;
};

export type Run = {
  readonly workload: string;
  readonly round: number;
  /** Day 0 first. */
  readonly days: readonly string[];
  readonly peers: readonly Peer[];
  /** Whether to measure the least known for each day as well. */
  readonly least: boolean;
  readonly room: Room;
  readonly note: (text: string) => void;
};

export const LEAST = 'least';

type Opened = { readonly peer: Peer; readonly protection: Protection };

export async function sideBySide(run: Run): Promise<Row[]> {
  const rows: Row[] = [];
  mkdirSync(run.room.directory, { recursive: true });
  await withPeers(run, rows, run.peers, [], (opened) => everyStep(run, rows, opened));
  return rows;
}

/** Opens one peer after the other; one that is missing or does not start has a row that says so. */
async function withPeers(
  run: Run,
  rows: Row[],
  peers: readonly Peer[],
  opened: readonly Opened[],
  use: (opened: readonly Opened[]) => Promise<void>,
): Promise<void> {
  const [peer, ...rest] = peers;
  if (peer === undefined) return use(opened);
  let problem = peer.missing() ?? null;
  let used = false;
  if (problem === null) {
    const directory = join(run.room.directory, peer.name);
    mkdirSync(directory);
    try {
      await peer.run({ ...run.room, directory }, (protection) => {
        used = true;
        return withPeers(run, rows, rest, [...opened, { peer, protection }], use);
      });
    } catch (error) {
      run.room.signal.throwIfAborted();
      problem = messageOf(error);
    }
  }
  if (problem !== null) rows.push({ ...rowOf(run, peer.name, used ? 'end' : 'start'), cost: null, problem });
  if (!used) await withPeers(run, rows, rest, opened, use);
}

async function everyStep(run: Run, rows: Row[], opened: readonly Opened[]): Promise<void> {
  const work = join(run.room.directory, 'Outlook.pst');
  let alive = opened;
  const step = async (name: string, act: (each: Opened) => Promise<StepCost>): Promise<void> => {
    const survivors: Opened[] = [];
    for (const each of alive) {
      run.note(`${run.workload}: ${name}: ${each.peer.name}`);
      const row = await attempt(run, each.peer.name, name, () => act(each));
      rows.push(row);
      if (row.problem === null) survivors.push(each);
    }
    alive = survivors;
  };
  for (const [day, source] of run.days.entries()) {
    const name = day === 0 ? 'first' : `day ${day}`;
    becomeDay(work, source, day);
    // Nobody is the first to read it after it was written.
    await sha256(work);
    await step(name, ({ protection }) => protection.backup(work));
    const earlier = run.days[day - 1];
    if (run.least && earlier !== undefined) {
      run.note(`${run.workload}: ${name}: ${LEAST}`);
      rows.push(await attempt(run, LEAST, name, () => leastKnown(earlier, source, run.room)));
    }
  }
  await step('unchanged', ({ protection }) => protection.backup(work));
  const wanted = await sha256(work);
  await step('restore', ({ protection }) => restore(run.room, protection, work, wanted));
}

/** A restore counts only when the file is the source again, byte for byte. */
async function restore(room: Room, protection: Protection, work: string, wanted: string): Promise<StepCost> {
  const to = join(room.directory, 'restored.pst');
  try {
    const cost = await protection.restore(work, to);
    if ((await sha256(to)) !== wanted) throw new Error('the restored file differs from the source');
    return cost;
  } finally {
    rmSync(to, { force: true });
  }
}

async function attempt(run: Run, peer: string, step: string, act: () => Promise<StepCost>): Promise<Row> {
  try {
    return { ...rowOf(run, peer, step), cost: await act(), problem: null };
  } catch (error) {
    run.room.signal.throwIfAborted();
    return { ...rowOf(run, peer, step), cost: null, problem: messageOf(error) };
  }
}

const rowOf = ({ workload, round }: Run, peer: string, step: string) => ({ workload, round, peer, step });

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
