// mailferry up: a server and this device together on one machine, set up and run by one word.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { Failure } from '../../shared/failure.ts';
import { printable } from '../../shared/printable.ts';
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { startOwnServer } from '../own-server.ts';
import type { SnapshotChoice } from '../snapshot/freezer.ts';
import { sampleStores } from '../sources/sample-stores.ts';
import { findHere } from '../sources/this-machine.ts';
import { openDeviceDb } from '../state/device-db.ts';
import { isTaken, SourceRegistry } from '../state/source-registry.ts';
import { loadIdentity, type StatePaths, saveIdentity, upIn } from '../state/state-directory.ts';
import { shellWord, shownPath } from '../typed-words.ts';
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
  const { device: paths, data } = upIn(context.paths);
  const inner = { ...context, paths };
  const before = existsSync(paths.identity) ? await loadIdentity(paths) : null;
  const { url, stop } = await startOwnServer(context, { data, before: before?.server ?? null });
  try {
    if (before === null) await enrolHere(inner, { data, url });
    else if (before.server !== url) await saveIdentity(paths, { ...before, server: url });
    const sources = await chooseSources(context, given);
    const choice = options.snapshot ?? 'prefer';
    if (options.once) {
      // Where nobody chose, the quickest way to see it work is no partial success for want of a file system with snapshots.
      const liveIsFine = options.snapshot === undefined;
      const code = await backup(inner, sources, { wait: true, snapshot: choice, liveIsFine });
      if (code === EXIT.ok) sayWhatNext(context, paths);
      return code;
    }
    terminal.say(`A server runs at ${url}, data in ${data}. Ctrl-C ends both.`);
    return await agent(inner, sources, { every: EVERY, snapshot: choice });
  } finally {
    await stop();
  }
}

/** How to get one of the stores back and to compare it with what is there: a line that works as it is printed. */
function sayWhatNext({ machine, terminal, paths: root }: Context, device: StatePaths): void {
  const store = takenStores(device.db).find((path) => existsSync(path) && printable(path) === path);
  if (terminal.json || store === undefined) return;
  const { platform, cwd } = machine;
  const word = (text: string) => shellWord(text, platform);
  const from = word(shownPath(store, { cwd, home: null }));
  const to = word(freeName(cwd, basename(store)));
  const state = root.root === machine.defaultState ? '' : ` --state ${word(root.root)}`;
  const compare = platform === 'win32' ? `fc /b ${from} ${to}` : `cmp ${from} ${to} && echo same`;
  terminal.say('Get one back, and compare it with what is there:');
  terminal.say(`${machine.typed} restore ${from} --to ${to}${state} && ${compare}`);
}

function takenStores(dbPath: string): string[] {
  const db = openDeviceDb(dbPath, { readonly: true });
  try {
    const taken = new SourceRegistry(db).all().filter(isTaken);
    return taken.map(({ path }) => path);
  } finally {
    db.close();
  }
}

/** A name for a restored `name` that nothing in `folder` has. */
function freeName(folder: string, name: string): string {
  for (let number = 1; ; number++) {
    const free = `restored-${number === 1 ? '' : `${number}-`}${name}`;
    if (!existsSync(join(folder, free))) return free;
  }
}

/** Makes this machine a device of its own server: a token that is used once, and forgotten. */
async function enrolHere(context: Context, { data, url }: { data: string; url: string }): Promise<void> {
  const { machine } = context;
  const [program, ...words] = machine.self;
  const { stdout } = await run(program, [...words, 'server', 'token', 'create', '--data', data, '--json']);
  const { token } = JSON.parse(stdout) as { token: string };
  const quiet = { ...context.terminal, result: () => {} };
  await enroll({ ...context, terminal: quiet }, [], { server: url, token, isOwn: true });
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
