// Windows programs under Wine: a prefix of its own for each test file, programs run in it, the built device installed into it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, posix, win32 } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HOST_COMPILER } from '../../client/windows/package/service-host.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Where set-up.sh put everything. */
const CACHE =
  process.env.MAILFERRY_WINDOWS_CACHE ??
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'mailferry-windows');
/** Windows' own node.exe, after page-align.mjs. */
const NODE = join(CACHE, 'node', 'bin', 'node-aligned.exe');

/** null where Windows programs can be run here, else why not. */
export function lacksWine(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'Wine is run as root on Linux';
  if (!existsSync(join(CACHE, 'prefix', 'system.reg')) || !existsSync(NODE))
    return 'test/windows/set-up.sh was not run';
  const mounts = spawnSync('unshare', ['--mount', 'true']).status === 0;
  return mounts ? null : 'this machine allows no mounts';
}

export interface WineEnded {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The last line of standard output as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects of it is the test
  readonly json: any;
}

export interface WineRunning {
  /** Killing it ends the Windows process as TerminateProcess does: without a word to it. */
  readonly child: ChildProcess;
  readonly ended: Promise<WineEnded>;
  /** Standard output so far: it is a file, since Node can't write into Linux' pipes under Wine. */
  stdout(): string;
}

export interface WineOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** ms; the process is killed then. */
  readonly timeout?: number;
}

/** A Windows with its own C:. */
export class Wine {
  /** This machine's folder that is C: there. */
  readonly drive: string;
  readonly #root: string;
  readonly #prefix: string;
  #runs = 0;

  constructor() {
    this.#root = mkdtempSync(join(realpathSync(tmpdir()), 'mailferry-wine-'));
    this.#prefix = join(this.#root, 'prefix');
    this.drive = join(this.#prefix, 'drive_c');
    const copied = spawnSync('cp', ['-a', '--reflink=auto', join(CACHE, 'prefix'), this.#prefix]);
    if (copied.status !== 0) throw new Error(`the Windows prefix can't be copied: ${copied.stderr}`);
    // Windows is started here and stays, or every program alone would start and end it: 1.4 s each. Its services keep the pipes of
    // whoever started them, which are nobody's this way.
    this.#run('wineserver', '-p');
    this.#run('wine', 'wineboot.exe');
  }

  #run(...words: string[]): void {
    spawnSync(join(HERE, 'in-wine.sh'), [CACHE, this.#prefix, ...words], {
      stdio: 'ignore',
      timeout: 60_000,
    });
  }

  /** The folder that Windows' object namespace `\\?\GLOBALROOT` stands for; made at the first call. */
  get globalRoot(): string {
    const folder = join(this.#prefix, 'dosdevices', 'globalroot');
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** This machine's path of a path on C:. */
  here(path: string): string {
    if (!/^c:\\/i.test(path)) throw new RangeError(`${path} is not on C:`);
    return join(this.drive, path.slice(3).split(win32.sep).join(posix.sep));
  }

  /** A file on C: with this content; its folder is made. */
  write(path: string, content: string | Uint8Array): void {
    mkdirSync(dirname(this.here(path)), { recursive: true });
    writeFileSync(this.here(path), content);
  }

  /** Removes what lies at a path on C:, if anything does. */
  remove(path: string): void {
    rmSync(this.here(path), { recursive: true, force: true });
  }

  /** One of the programs of this folder (`hold-file`) or `node`, as a path that Wine takes. */
  program(name: string): string {
    return name === 'node' ? NODE : join(CACHE, 'programs', `${name}.exe`);
  }

  /** The words that start a Windows program from this machine, for those who start it themselves. */
  command(program: string): [string, ...string[]] {
    return [join(HERE, 'in-wine.sh'), CACHE, this.#prefix, 'wine', program];
  }

  /** Starts a Windows program. */
  start(
    program: string,
    words: readonly string[],
    { env = {}, timeout = 120_000 }: WineOptions = {},
  ): WineRunning {
    const run = this.#runs++;
    const out = join(this.#root, `${run}.out`);
    const err = join(this.#root, `${run}.err`);
    const [outFile, errFile] = [openSync(out, 'w'), openSync(err, 'w')];
    const assigned = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const child = spawn(
      join(HERE, 'in-wine.sh'),
      [CACHE, this.#prefix, 'env', ...assigned, 'wine', program, ...words],
      { stdio: ['ignore', outFile, errFile], timeout, killSignal: 'SIGKILL' },
    );
    closeSync(outFile);
    closeSync(errFile);
    const stdout = () => readFileSync(out, 'utf8');
    const ended = once(child, 'close').then(([code, signal]): WineEnded => {
      const said = stdout();
      let json: unknown;
      try {
        json = JSON.parse(said.trim().split('\n').at(-1) ?? '');
      } catch {
        json = undefined;
      }
      return { code, signal, stdout: said, stderr: readFileSync(err, 'utf8'), json };
    });
    return { child, ended, stdout };
  }

  /** Runs a Windows program to its end. */
  run(program: string, words: readonly string[], options?: WineOptions): Promise<WineEnded> {
    return this.start(program, words, options).ended;
  }

  /** Runs node.exe to its end. */
  node(words: readonly string[], options?: WineOptions): Promise<WineEnded> {
    return this.run(this.program('node'), words, options);
  }

  /** Ends every process of this Windows and removes it. */
  close(): void {
    this.#run('wineserver', '-k');
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/** Installs the device as the npm package holds it as C:\mailferry, with better-sqlite3 as npm installed it; its main file on C:. */
export function installDevice(wine: Wine): string {
  const home = wine.here('C:\\mailferry');
  const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: string[] };
  const sqlite = ['package.json', 'lib', 'prebuilds/win32-x64.node'].map(
    (file) => `node_modules/better-sqlite3/${file}`,
  );
  for (const file of ['package.json', ...files.filter((path) => path.startsWith('dist/client/')), ...sqlite])
    cpSync(join(ROOT, file), join(home, file), { recursive: true });
  return 'C:\\mailferry\\dist\\client\\mailferry.js';
}

/**
 * Puts sc.exe and takeown.exe (service-tools.c) where Windows has them: what `mailferry service` needs, and Wine's lack or have not. No
 * other place would do, since nothing that PATH names is run with the rights of the machine.
 */
export function serviceTools(wine: Wine): { readonly WINEDLLOVERRIDES: string } {
  mkdirSync(wine.here('C:\\wine'));
  cpSync(wine.here('C:\\windows\\system32\\sc.exe'), wine.here('C:\\wine\\sc.exe'), { dereference: true });
  for (const name of ['sc', 'takeown']) {
    const path = wine.here(`C:\\windows\\system32\\${name}.exe`);
    // Wine's own may be shared with other prefixes.
    rmSync(path, { force: true });
    const words = ['-municode', join(HERE, 'service-tools.c'), '-o', path];
    const built = spawnSync(HOST_COMPILER, words, { encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`service-tools.c can't be built: ${built.stderr}`);
  }
  // Of a name that Wine has a program for, too, it runs its own unless it is told.
  return { WINEDLLOVERRIDES: 'sc.exe=n,b' };
}
