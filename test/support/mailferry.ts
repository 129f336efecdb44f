// Mailferry as a user has it: the built program in real processes.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const isBuilt = import.meta.url.includes('/dist/test/');
/** The built program; this file may itself be a part of what was built. */
export const PROGRAM = fileURLToPath(
  new URL(isBuilt ? '../../client/mailferry.js' : '../../dist/client/mailferry.js', import.meta.url),
);

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The last line of standard output as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects of it is the test
  readonly json: any;
}

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<Ended>;
}

/** Starts a program and gathers what it says. */
export function start(program: string, words: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(program, words, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  // A letter may come in two pieces.
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    let json: unknown;
    try {
      json = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    } catch {
      json = undefined;
    }
    return { code, signal, stdout, stderr, json };
  });
  return { child, pid: child.pid!, ended };
}

/** Runs `mailferry` with the words given. */
export function mailferry(...words: string[]): Running {
  return start(process.execPath, [PROGRAM, ...words]);
}

/** Runs it to its end and expects exit code 0. */
export async function mailferryOk(...words: string[]): Promise<Ended> {
  const ended = await mailferry(...words).ended;
  if (ended.code !== 0) {
    throw new Error(
      `mailferry ${words.join(' ')} ended with ${ended.code ?? ended.signal}:\n${ended.stdout}\n${ended.stderr}`,
    );
  }
  return ended;
}

export interface RunningServer extends Running {
  readonly url: string;
  readonly port: number;
  readonly data: string;
}

/** Starts a server and waits until it listens; port 0: any. `more`: further options. */
export async function startServer(data: string, port = 0, ...more: string[]): Promise<RunningServer> {
  const words = ['server', '--data', data, '--listen', `127.0.0.1:${port}`, '--json', '--log-level', 'warn'];
  const running = mailferry(...words, ...more);
  const lines = createInterface({ input: running.child.stdout! });
  const first = new Promise<string>((resolve) => {
    lines.once('line', resolve);
  });
  const line = await Promise.race([
    first,
    running.ended.then((ended) => {
      throw new Error(`the server ended with ${ended.code}: ${ended.stderr}`);
    }),
  ]);
  const url = (JSON.parse(line) as { listening: string }).listening;
  return { ...running, url, port: Number(new URL(url).port), data };
}

/** A server in a new directory, for all tests of a file; removeServer() ends it. */
export function startOwnServer(): Promise<RunningServer> {
  return startServer(mkdtempSync(join(tmpdir(), 'mailferry-test-')));
}

/** Ends a server, if it ever started, and removes all it has. */
export async function removeServer(server: RunningServer | undefined): Promise<void> {
  if (!server) return;
  await stop(server);
  rmSync(server.data, { recursive: true, force: true });
}

/** Enrols a device in `state` with the server behind `url`. */
export async function enrol(data: string, url: string, state: string): Promise<{ device: string }> {
  const { json } = await mailferryOk('server', 'token', 'create', '--data', data, '--json');
  const enrolled = await mailferryOk(
    'enroll',
    '--server',
    url,
    '--token',
    json.token,
    '--state',
    state,
    '--json',
  );
  return enrolled.json;
}

/** Ends a process for good, as a power switch does for a process. */
export async function kill(running: Running): Promise<void> {
  running.child.kill('SIGKILL');
  await running.ended;
}

/** Asks a process to end, and waits. */
export async function stop(running: Running): Promise<Ended> {
  running.child.kill('SIGTERM');
  return running.ended;
}

/** A server, an enrolled device, and where they keep things. */
export async function serverAndDevice(
  root: string,
): Promise<{ server: RunningServer; data: string; state: string }> {
  const data = join(root, 'data');
  const state = join(root, 'state');
  const server = await startServer(data);
  await enrol(data, server.url, state);
  return { server, data, state };
}
