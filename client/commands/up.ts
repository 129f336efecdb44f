// mailferry up: a server and this device together on one machine, set up and run by one word.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { Failure } from '../../shared/failure.ts';
import type { Context } from '../cli.ts';
import type { SnapshotChoice } from '../snapshot/freezer.ts';
import { sampleStores } from '../sources/sample-stores.ts';
import { findHere } from '../sources/this-machine.ts';
import { loadIdentity, saveIdentity, statePaths } from '../state/state-directory.ts';
import { agent } from './agent.ts';
import { backup } from './backup.ts';
import { enroll } from './enroll.ts';

export interface UpOptions {
  readonly once?: boolean;
  readonly snapshot?: SnapshotChoice;
}

const run = promisify(execFile);

/** Minutes between two looks at the sources, as for the agent. */
const EVERY = 15;

export async function up(context: Context, given: string[], options: UpOptions): Promise<number> {
  const { terminal } = context;
  const data = join(context.paths.root, 'server');
  // Apart from a real enrolment of this machine, which is nobody's to replace.
  const paths = statePaths(join(context.paths.root, 'device'));
  const { child, url } = await startServer(context, data);
  try {
    const inner = { ...context, paths };
    if (existsSync(paths.identity))
      await saveIdentity(paths, { ...(await loadIdentity(paths)), server: url });
    else await enrolHere(inner, { data, url });
    const sources = await chooseSources(context, given);
    const choice = options.snapshot ?? 'prefer';
    if (options.once) {
      // Where nobody chose, the quickest way to see it work is no partial success for want of a file system with snapshots.
      const liveIsFine = options.snapshot === undefined;
      return await backup(inner, sources, { wait: true, snapshot: choice, liveIsFine });
    }
    terminal.say(`A server runs at ${url}, data in ${data}. Ctrl-C ends both.`);
    return await agent(inner, sources, { every: EVERY, snapshot: choice });
  } finally {
    // The channel is what keeps the server alive no longer than this process.
    if (child.connected) child.disconnect();
    if (child.exitCode === null) await once(child, 'exit');
  }
}

/** Starts the server as a process of its own, which ends when this one does; resolves when it listens. */
async function startServer(
  { machine }: Context,
  data: string,
): Promise<{ child: ChildProcess; url: string }> {
  const [program, ...words] = machine.self;
  const child = spawn(
    program,
    [...words, 'server', '--data', data, '--listen', '127.0.0.1:0', '--json', '--log-level', 'warn'],
    { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] },
  );
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Failure('internal', `The server ended with code ${code}.`)));
  });
  ended.catch(() => {});
  const lines = createInterface({ input: child.stdout! });
  const first = new Promise<string>((resolve) => {
    lines.once('line', resolve);
  });
  const { listening } = JSON.parse(await Promise.race([first, ended])) as { listening: string };
  return { child, url: listening };
}

/** Makes this machine a device of its own server: a token that is used once, and forgotten. */
async function enrolHere(context: Context, { data, url }: { data: string; url: string }): Promise<void> {
  const { machine } = context;
  const [program, ...words] = machine.self;
  const { stdout } = await run(program, [...words, 'server', 'token', 'create', '--data', data, '--json']);
  const { token } = JSON.parse(stdout) as { token: string };
  const quiet = { ...context.terminal, result: () => {} };
  await enroll({ ...context, terminal: quiet }, [], { server: url, token });
}

/** What to protect: what was named, or what is found, or the sample stores, in which case it says so. */
async function chooseSources({ machine, terminal }: Context, given: string[]): Promise<string[]> {
  if (given.length > 0) return given;
  // Without paths the run looks for itself.
  if ((await findHere(machine, { caches: false })).items.length > 0) return [];
  const samples = sampleStores();
  if (!samples)
    throw new Failure(
      'source_missing',
      'There is no mail store on this machine, and no sample store is installed.',
    );
  terminal.say(
    'No mail store was found on this machine: protecting the sample stores that come with pst-extractor.',
  );
  return [samples.pst, ...samples.osts];
}
