// Programs that the bench runs: started in a process group of their own, which an abort or the end of their use ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export type Program = {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

const STDERR_KEPT = 2000;
/** A server that does not end when asked within this is killed. */
const PATIENCE_MS = 5000;

export type Ended = { readonly stdout: string };

/** Runs a program to its end. Rejects with the tail of its standard error unless it exits 0. */
export async function runToEnd(
  program: Program,
  signal: AbortSignal,
  started?: (pid: number) => void,
): Promise<Ended> {
  const child = start(program, signal);
  if (child.pid !== undefined) started?.(child.pid);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT);
  });
  const code = await ended(child);
  if (code !== 0)
    throw new Error(`${program.command} ended with ${code}: ${stderr.trim() || stdout.slice(-STDERR_KEPT)}`);
  return { stdout };
}

export type RunningServer = { readonly pid: number; readonly firstLine: Promise<string> };

/** Runs a server while `use` runs. What it says after its first line is drained and forgotten. */
export async function withServer<T>(
  program: Program,
  signal: AbortSignal,
  use: (server: RunningServer) => Promise<T>,
): Promise<T> {
  const child = start(program, signal);
  const end = ended(child);
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT);
  });
  const lines = createInterface({ input: child.stdout! });
  const firstLine = new Promise<string>((resolve) => lines.once('line', resolve));
  const tooSoon = end.then((code): never => {
    throw new Error(`${program.command} ${program.args[0]} ended with ${code}: ${stderr.trim()}`);
  });
  try {
    return await Promise.race([use({ pid: child.pid ?? 0, firstLine }), tooSoon]);
  } finally {
    tooSoon.catch(() => {});
    endGroup(child, 'SIGTERM');
    await Promise.race([end.catch(() => {}), sleep(PATIENCE_MS, undefined, { ref: false })]);
    endGroup(child, 'SIGKILL');
  }
}

/** Where a program lies that may or may not be installed. */
export function findProgram(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/**
 * What programs are given of this process's environment. All else is a property of the machine and not of them: more certificate
 * authorities for Node (NODE_EXTRA_CA_CERTS), for one, cost each of its processes 45 ms at its start.
 */
const GIVEN = ['PATH', 'HOME', 'TMPDIR', 'LANG'];

function surroundings(): NodeJS.ProcessEnv {
  return Object.fromEntries(GIVEN.map((name) => [name, process.env[name]]));
}

function start({ command, args, env }: Program, signal: AbortSignal): ChildProcess {
  signal.throwIfAborted();
  const child = spawn(command, args, {
    // a group of its own: the program is often a child of `time`, which passes no signal on
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...surroundings(), ...env },
  });
  const stop = (): void => endGroup(child, 'SIGTERM');
  signal.addEventListener('abort', stop);
  child.once('close', () => signal.removeEventListener('abort', stop));
  return child;
}

function ended(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signalName) => resolve(code ?? signalName ?? 'nothing'));
  });
}

function endGroup(child: ChildProcess, signalName: 'SIGTERM' | 'SIGKILL'): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signalName);
  } catch {
    // it ended by itself between the look and the kill
  }
}
