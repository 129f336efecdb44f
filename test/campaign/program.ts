// The built program in real processes, started as a user starts it, or with something wrong around it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** dist/, whether this file runs from there or from the sources. */
const DIST = ['../../', '../../dist/']
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(`${path}client/main.js`))!;
/** Outputs are kept to this many characters at their end. */
const KEPT = 20_000;

/** The path of a file of the build. */
export function built(path: string): string {
  return `${DIST}${path}`;
}

export interface Launch {
  /** Modules of the build that are loaded before the program. */
  readonly imports?: readonly string[];
  /** Starts the program as the modules that it is made of, of which one may be swapped, not as the one file that people start. */
  readonly asModules?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Process {
  readonly child: ChildProcess;
  /** The first line of standard output. */
  readonly firstLine: Promise<string>;
  readonly ended: Promise<Ended>;
  /** Null while it runs. */
  end: Ended | null;
}

/** Starts `mailferry` with the words given. */
export function mailferry(words: readonly string[], launch: Launch = {}): Process {
  const imports = (launch.imports ?? []).flatMap((path) => ['--import', built(path)]);
  const program = built(launch.asModules ? 'client/main.js' : 'client/mailferry.js');
  const child = spawn(process.execPath, ['--no-warnings', ...imports, program, ...words], {
    env: { ...process.env, ...launch.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let toldFirst: (line: string) => void = () => {};
  const firstLine = new Promise<string>((resolve) => {
    toldFirst = resolve;
  });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout = (stdout + text).slice(-KEPT);
    if (stdout.includes('\n')) toldFirst(stdout.slice(0, stdout.indexOf('\n')));
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-KEPT);
  });
  const started: Process = {
    child,
    firstLine,
    ended: once(child, 'close').then(([code, signal]): Ended => {
      started.end = { code, signal, stdout, stderr };
      return started.end;
    }),
    end: null,
  };
  return started;
}

/** kill -9, and waits. */
export async function kill(process: Process): Promise<Ended> {
  process.child.kill('SIGKILL');
  return process.ended;
}

/** The last line of an output as JSON; undefined where it is none. */
// biome-ignore lint/suspicious/noExplicitAny: what is expected of it is the check
export function lastJson(stdout: string): any {
  try {
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  } catch {
    return undefined;
  }
}
