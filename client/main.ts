// The program, once its Node was found to be new enough (mailferry.ts): hands process, clock, chance and network to the command line, or the whole process to the server.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { constants, getPriority, homedir, hostname, networkInterfaces, setPriority } from 'node:os';
import { basename } from 'node:path';
import { isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';
import { asFailure } from '../shared/failure.ts';
import { runCli } from './cli.ts';
import { EXIT, exitCode } from './exit-code.ts';
import { registryOf } from './registry/this-registry.ts';
import { hostBeside } from './service/windows-service.ts';
import type { PowerShell } from './snapshot/vss/powershell.ts';
import { defaultStateRoot, type SecretKeeper } from './state/state-directory.ts';
import { shellWord, shownPath } from './typed-words.ts';
import { dpapiKeeper } from './windows/dpapi.ts';

/** The file that Node starts this program by. */
const BEGINNING = fileURLToPath(new URL('./mailferry.js', import.meta.url));

/** A process that was asked to end and still has not is ended: what it did is on the disk, what it did not is done next time. */
const PATIENCE_MS = 4_500;

/** Windows PowerShell of this machine, and the script beside this program. */
async function powershellOf(platform: string, env: NodeJS.ProcessEnv): Promise<PowerShell | null> {
  if (platform !== 'win32') return null;
  const script = fileURLToPath(new URL('./snapshot/vss/shadow-copy.ps1', import.meta.url));
  const { powershellProgram } = await import('./snapshot/vss/powershell.ts');
  return { program: powershellProgram(env.SystemRoot), script };
}

/** DPAPI, where the program that calls it was installed beside this one. */
function keeperOf(platform: string): SecretKeeper | null {
  const host = hostBeside(process.execPath);
  return platform === 'win32' && existsSync(host) ? dpapiKeeper(host) : null;
}

/** What may have gigabytes to read and pack while its user works. */
const BACKGROUND_COMMANDS: readonly (string | undefined)[] = ['backup', 'agent'];

/** Whatever else runs on the machine goes first, as it does before a scheduled task of Windows; a lower priority is left as it is. */
function giveWay(): void {
  try {
    setPriority(Math.max(getPriority(), constants.priority.PRIORITY_BELOW_NORMAL));
  } catch {
    // Where that is not allowed the work is done all the same.
  }
}

/** What starts this program again: its name where it was called by that, npm's word for it in a checkout, or Node and the file. */
function typedName(script: string, env: NodeJS.ProcessEnv): string {
  if (isSea() || /^mailferry(\.cmd)?$/.test(basename(script))) return 'mailferry';
  if (env.npm_lifecycle_event !== undefined && env.npm_package_name === 'mailferry') return 'npx mailferry';
  const file = shownPath(script, { cwd: process.cwd(), home: null });
  return `node ${shellWord(file, process.platform)}`;
}

async function main(words: string[]): Promise<number> {
  if (words[0] === 'server') {
    if (isSea()) {
      process.stderr.write(
        'mailferry: This package is the device alone; the server comes with the npm package.\n',
      );
      return EXIT.usage;
    }
    // The device's code knows nothing of the server's; the process is handed over whole.
    const server = new URL('../server/main.js', import.meta.url);
    const { main: serve } = (await import(server.href)) as { main(words: string[]): Promise<number> };
    try {
      return await serve(words.slice(1));
    } catch (error) {
      const failure = asFailure(error);
      process.stderr.write(`mailferry: ${failure.message}\n${failure.hint}\n`);
      return exitCode(failure.code);
    }
  }
  if (BACKGROUND_COMMANDS.includes(words[0])) giveWay();
  const stop = new AbortController();
  const end = () => {
    stop.abort();
    setTimeout(() => process.exit(130), PATIENCE_MS).unref();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  return runCli(words, {
    surroundings: {
      now: Date.now,
      monotonic: () => performance.now(),
      interfaces: networkInterfaces,
      chance: Math.random,
      newId: randomUUID,
      powershell: await powershellOf(process.platform, process.env),
      registry: registryOf(process.platform, process.env),
      stop: stop.signal,
    },
    out: process.stdout,
    err: process.stderr,
    // Looked at by need alone: to touch it is to open it.
    get input() {
      return process.stdin;
    },
    end,
    now: Date.now,
    env: process.env,
    platform: process.platform,
    home: homedir(),
    hostname: hostname(),
    defaultState: defaultStateRoot(process.platform, process.env, homedir()),
    keeper: keeperOf(process.platform),
    self: isSea() ? [process.execPath] : [process.execPath, BEGINNING],
    cwd: process.cwd(),
    typed: typedName(process.argv[1] ?? '', process.env),
  });
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
