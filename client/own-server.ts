// The server that `mailferry up` keeps on this machine beside its device: where it is, and how it is started for one command.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Database from 'better-sqlite3';
import { Failure } from '../shared/failure.ts';
import type { Context } from './cli.ts';
import { loadIdentity, ownServerData, saveIdentity } from './state/state-directory.ts';

export interface RunningServer {
  /** Its address, the same as at its last start where the port is free. */
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts the server of `data` as a process that ends with this one; resolves when it listens. `before`: the address it had at its
 * last start. A Failure where it ends instead.
 */
export async function startOwnServer(
  { machine }: Pick<Context, 'machine'>,
  { data, before }: { data: string; before: string | null },
): Promise<RunningServer> {
  const [program, ...words] = machine.self;
  const port = before === null ? 0 : await freePort(Number(new URL(before).port));
  const child = spawn(
    program,
    [...words, 'server', '--data', data, '--listen', `127.0.0.1:${port}`, '--json', '--log-level', 'warn'],
    { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] },
  );
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(new Failure('internal', `The server of ${data} ended with code ${code}.`)),
    );
  });
  ended.catch(() => {});
  const lines = createInterface({ input: child.stdout! });
  const first = new Promise<string>((resolve) => {
    lines.once('line', resolve);
  });
  const { listening } = JSON.parse(await Promise.race([first, ended])) as { listening: string };
  return { url: listening, stop: () => stopped(child) };
}

/**
 * Runs `use` while the server of the device in `context` runs: one that `up` made and that does not run is started for as long. Any
 * other server is somebody else's to run.
 */
export async function withOwnServer<T>(context: Context, use: () => Promise<T>): Promise<T> {
  const { paths } = context;
  const data = ownServerData(paths);
  if (data === null || isRunning(data)) return use();
  const identity = await loadIdentity(paths);
  const server = await startOwnServer(context, { data, before: identity.server });
  try {
    if (server.url !== identity.server) await saveIdentity(paths, { ...identity, server: server.url });
    return await use();
  } finally {
    await server.stop();
  }
}

/** The channel is what keeps the server alive no longer than this process. */
async function stopped(child: ChildProcess): Promise<void> {
  if (child.connected) child.disconnect();
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** Whether a server works in `data`: its lock is held. Its address is not asked, since anybody may listen there by now. */
function isRunning(data: string): boolean {
  const lock = join(data, 'lock.db');
  if (!existsSync(lock)) return false;
  const db = new Database(lock, { timeout: 0 });
  try {
    db.exec('BEGIN EXCLUSIVE');
    return false;
  } catch (error) {
    if (String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) return true;
    throw error;
  } finally {
    db.close();
  }
}

/** `port` where nobody listens on it, else 0: any that is free. */
async function freePort(port: number): Promise<number> {
  const probe = createServer();
  try {
    probe.listen(port, '127.0.0.1');
    await once(probe, 'listening');
    return port;
  } catch {
    return 0;
  } finally {
    await new Promise((resolve) => probe.close(resolve));
  }
}
