// Runs one program and measures it: wall and CPU seconds, peak memory; by `time` (exact), else by watching /proc.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, type Program, runToEnd } from './child.ts';
import { type Usage, type Watch, watch } from './usage.ts';

export type Measured = { readonly wallSeconds: number; readonly usage: Usage; readonly stdout: string };

/** What the kernel counted, children that were waited for included; memory is that of the largest process. */
const TIME_FORMAT = '%U %S %M';

export async function runMeasured(program: Program, scratch: string, signal: AbortSignal): Promise<Measured> {
  const time = findProgram('time');
  return time === undefined ? runWatched(program, signal) : runUnderTime(time, program, scratch, signal);
}

async function runUnderTime(
  time: string,
  program: Program,
  scratch: string,
  signal: AbortSignal,
): Promise<Measured> {
  const report = join(scratch, 'time.txt');
  const args = ['-f', TIME_FORMAT, '-o', report, program.command, ...program.args];
  const start = performance.now();
  const { stdout } = await runToEnd({ ...program, command: time, args }, signal);
  const wallSeconds = (performance.now() - start) / 1000;
  const [user, system, kibibytes] = readFileSync(report, 'utf8').trim().split(' ').map(Number);
  rmSync(report);
  return { wallSeconds, usage: { cpuSeconds: user! + system!, peakBytes: kibibytes! * 1024 }, stdout };
}

async function runWatched(program: Program, signal: AbortSignal): Promise<Measured> {
  let watching: Watch | undefined;
  const start = performance.now();
  const { stdout } = await runToEnd(program, signal, (pid) => {
    watching = watch(pid);
  });
  const wallSeconds = (performance.now() - start) / 1000;
  const usage = (await watching?.stop()) ?? { cpuSeconds: 0, peakBytes: 0 };
  return { wallSeconds, usage, stdout };
}
