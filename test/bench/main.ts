// npm run bench: Mailferry and its peers side by side in one run, on an Outlook-like PST and its daily changes.
import '../../client/node-floor.ts';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { againstTable } from './against.ts';
import { blockDiff } from './block-diff.ts';
import { machine } from './machine.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import type { Policy } from './outlook/space.ts';
import { dayPaths, generateDays } from './outlook-days.ts';
import { leastMissing } from './peers/least.ts';
import { mailferry, mailferryDirect, mailferryOf } from './peers/mailferry.ts';
import type { Peer, Room } from './peers/peer.ts';
import { restic } from './peers/restic.ts';
import { rsync, rsync8k } from './peers/rsync.ts';
import { tus } from './peers/tus.ts';
import { legend, reportTable } from './report.ts';
import { scale, scaleTable } from './scale.ts';
import { LEAST, type Row, sideBySide } from './side-by-side.ts';
import { summaryTable } from './summary.ts';

const PEERS: readonly Peer[] = [mailferry, mailferryDirect, restic, rsync, rsync8k, tus];
/** The days, the working copy, five peers' stores and a restored file; --scale needs as much. */
const DISK_FACTOR = 16;
const FINE = 1024;
const COARSE = 65_536;

type Workload = { readonly name: string; readonly changes: readonly object[] };

const note = (text: string): void => console.error(text);

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  if (options.make !== undefined) {
    makeFiles(options.make, options);
    return 0;
  }
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Error(name)));
  const directory = mkdtempSync(join(tmpdir(), 'mailferry-bench-'));
  try {
    checkDisk(directory, options);
    const room = { directory, signal: stop.signal };
    return await (options.scale ? runScale(options, room) : runSideBySide(options, room));
  } finally {
    if (options.keep) note(`kept: ${directory}`);
    else rmSync(directory, { recursive: true, force: true });
  }
}

function makeFiles(directory: string, options: Options): void {
  for (const policy of options.policies) {
    const into = options.policies.length > 1 ? join(directory, policy) : directory;
    for (const path of generateDays(into, { ...options, policy }, options.days)) note(path);
  }
}

async function runSideBySide(options: Options, room: Room): Promise<number> {
  const { against, againstNode } = options;
  const asked = (peer: Peer) =>
    options.peers.some((name) => name === peer.name) || (against !== undefined && peer === mailferryDirect);
  const peers = PEERS.filter(asked);
  // Next to what it is compared with, so that a noisy minute hits both.
  if (against !== undefined)
    peers.splice(peers.indexOf(mailferryDirect) + 1, 0, mailferryOf(against, againstNode));
  const noLeast = options.peers.includes(LEAST) ? leastMissing() : 'not asked for';
  const rows: Row[] = [];
  const workloads: Workload[] = [];
  for (const policy of options.files === undefined ? options.policies : [undefined]) {
    const name = policy ?? 'files';
    const days = workloadDays(options, policy, room);
    workloads.push(describe(name, days));
    for (let round = 1; round <= options.rounds; round++) {
      const directory = join(room.directory, `peers-${name}-${round}`);
      const run = { workload: name, round, days, peers, least: noLeast === undefined, note };
      rows.push(...(await sideBySide({ ...run, room: { ...room, directory } })));
      // the next round needs the space
      if (!options.keep) rmSync(directory, { recursive: true, force: true });
    }
    if (options.peers.includes(LEAST) && noLeast !== undefined) {
      rows.push({ workload: name, round: 1, peer: LEAST, step: 'start', cost: null, problem: noLeast });
    }
    // the next workload needs the space
    if (!options.keep) rmSync(join(room.directory, name), { recursive: true, force: true });
  }
  const where = await machine(room.signal);
  if (options.json) {
    const how = Object.fromEntries(peers.map((peer) => [peer.name, { how: peer.how, up: peer.measure }]));
    console.log(
      JSON.stringify({ machine: where, size: options.size, seed: options.seed, peers: how, workloads, rows }),
    );
  } else {
    console.log(
      [
        where,
        ...workloads.map((each) => JSON.stringify(each)),
        '',
        reportTable(rows),
        '',
        summaryTable(rows),
        '',
        ...(against === undefined ? [] : [`as a share of ${against}:`, againstTable(rows), '']),
      ].join('\n'),
    );
    console.log(legend(peers, noLeast === undefined));
  }
  return failed(rows, peers) ? 1 : 0;
}

async function runScale(options: Options, room: Room): Promise<number> {
  const problem = mailferry.missing();
  if (problem !== undefined) throw new Error(`mailferry: ${problem}`);
  const days = workloadDays(options, options.policies[0], room);
  const rows = await scale({ size: options.size, seed: options.seed, days }, room, note);
  const where = await machine(room.signal);
  console.log(
    options.json ? JSON.stringify({ machine: where, scale: rows }) : `${where}\n\n${scaleTable(rows)}`,
  );
  return 0;
}

/** The days made elsewhere, or else new ones. */
function workloadDays(options: Options, policy: Policy | undefined, room: Room): string[] {
  if (options.files !== undefined || policy === undefined) {
    const paths = dayPaths(options.files ?? '', options.days);
    const missing = paths.find((path) => !existsSync(path));
    if (missing !== undefined) throw new Error(`${missing} is not there`);
    return paths;
  }
  note(`${policy}: making ${options.days + 1} files`);
  const directory = join(room.directory, policy);
  mkdirSync(directory);
  return generateDays(directory, { ...options, policy }, options.days);
}

function describe(name: string, days: readonly string[]): Workload {
  const changes = days.slice(1).map((day, i) => {
    const { changedBytes, runs } = blockDiff(days[i]!, day, [FINE, COARSE]);
    return { fineBytes: changedBytes.get(FINE), coarseBytes: changedBytes.get(COARSE), runs };
  });
  return { name, changes };
}

function checkDisk(directory: string, { size, files, keep, rounds }: Options): void {
  const { bavail, bsize } = statfsSync(directory);
  const factor = DISK_FACTOR * (keep ? rounds : 1);
  if (files === undefined && bavail * bsize < size * factor) {
    throw new Error(`too little space in ${directory}: about ${factor} times the size is needed`);
  }
}

/** A peer that is not installed is told of in the table and fails nothing. */
function failed(rows: readonly Row[], peers: readonly Peer[]): boolean {
  const installed = new Set(peers.filter((peer) => peer.missing() === undefined).map((peer) => peer.name));
  return rows.some((row) => row.problem !== null && installed.has(row.peer));
}

process.exitCode = await main().catch((error: unknown) => {
  note(error instanceof Error ? error.message : String(error));
  return 1;
});
