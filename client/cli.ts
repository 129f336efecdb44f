// The command line: what can be said, and what each word starts. Commands load when they are called, so that a look is quick.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { asFailure } from '../shared/failure.ts';
import { printable } from '../shared/printable.ts';
import type { Surroundings } from './device.ts';
import { EXIT, exitCode } from './exit-code.ts';
import { assertOwnState, setAsideOthersState } from './state/own-state.ts';
import { deviceIn, type SecretKeeper, type StatePaths, statePaths } from './state/state-directory.ts';
import { humanTerminal, jsonTerminal, type Streams, type Terminal } from './terminal.ts';
import { WAKE_REASONS } from './triggers/wake-file.ts';
import { VERSION } from './version.ts';

/** What the main file hands in. */
export interface Machine extends Streams {
  readonly surroundings: Surroundings;
  readonly input: NodeJS.ReadableStream;
  /** Asks this process to end: aborts `surroundings.stop`. */
  readonly end: () => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
  readonly home: string;
  readonly hostname: string;
  readonly defaultState: string;
  /** What seals secrets here; null where files that only their owner reads are all there is. */
  readonly keeper: SecretKeeper | null;
  /** The words that start another process of this program. */
  readonly self: readonly [string, ...string[]];
  /** The folder that relative paths are meant from. */
  readonly cwd: string;
  /** What a person types in this folder to start this program. */
  readonly typed: string;
}

/** What every command gets. */
export interface Context {
  readonly machine: Machine;
  readonly terminal: Terminal;
  readonly paths: StatePaths;
}

type Action<O> = (context: Context, paths: string[], options: O) => Promise<number>;

const SNAPSHOTS = ['require', 'prefer', 'never', 'vss', 'btrfs', 'live'];

/** Commands that ask the server for what it holds, or send to it: one that `up` made is started for them where it does not run. */
const ASK_THE_SERVER: readonly string[] = ['backup', 'restore', 'verify', 'versions'];
/** Commands that work as a device that is there, also as the one that `up` made. */
const AS_THE_DEVICE: readonly string[] = [
  ...ASK_THE_SERVER,
  'agent',
  'doctor',
  'forget',
  'sources',
  'status',
  'wake',
];

/** Commands that make a device where there is none. */
const BEGIN: readonly string[] = ['enroll', 'up'];

/** A command's words, without those of the program. */
function nameOf(command: Command): string {
  const { parent } = command;
  return parent?.parent ? `${nameOf(parent)} ${command.name()}` : command.name();
}

/** Runs one command line (without program names); the exit code. Never throws. */
export async function runCli(words: readonly string[], machine: Machine): Promise<number> {
  let code: number = EXIT.ok;
  const program = new Command('mailferry')
    .description('Backs up the mail that lives only on this machine, while it is in use.')
    .version(VERSION)
    // `restore --version ID` is another option than this one.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => machine.out.write(text),
      writeErr: (text) => machine.err.write(text),
    });
  describe(program, (command, action) => {
    command
      .option(
        '--state <dir>',
        'where the device keeps its queue and identity (MAILFERRY_STATE)',
        machine.defaultState,
      )
      .option('--json', 'one JSON object as the last line, progress as JSON lines before it')
      .exitOverride();
    command.action(async () => {
      const options = command.opts<{ state: string; json?: boolean }>();
      const paths = (command.processedArgs as unknown[])
        .flat()
        .filter((word): word is string => typeof word === 'string');
      const terminal = options.json ? jsonTerminal(machine) : humanTerminal(machine);
      const name = nameOf(command);
      const given = statePaths(options.state, machine.keeper);
      const context = {
        machine,
        terminal,
        paths: AS_THE_DEVICE.includes(name) ? deviceIn(given) : given,
      };
      const act = () => action(context, paths, options as never);
      code = await reported(terminal, machine, async () => {
        const { renew, move } = command.opts<{ renew?: boolean; move?: string }>();
        await assertOurs(context, BEGIN.includes(name) && !renew && move === undefined);
        return ASK_THE_SERVER.includes(name)
          ? (await import('./own-server.ts')).withOwnServer(context, act)
          : act();
      });
    });
  });
  try {
    await program.parseAsync([...words], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    throw error;
  }
}

/** Sees to it that the state is this user's alone: what is not is set aside by a command that makes a device, and refused by the others. */
async function assertOurs({ machine, terminal, paths: { root } }: Context, begins: boolean): Promise<void> {
  const aside = begins ? await setAsideOthersState(root, machine.surroundings.now()) : null;
  if (aside !== null)
    terminal.say(`${root} was another user's; it is ${aside} now, and nothing in it counts.`);
  if (!begins) await assertOwnState(root);
}

/** Failures become one sentence and a code; anything unexpected too, with its stack where MAILFERRY_DEBUG is set. */
async function reported(terminal: Terminal, machine: Machine, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    const failure = asFailure(error);
    terminal.clear();
    if (terminal.json) {
      terminal.result('', {
        error: { code: failure.code, message: failure.message, hint: failure.hint, ...failure.detail },
      });
    } else {
      machine.err.write(`mailferry: ${printable(failure.message)}\n${failure.hint}\n`);
    }
    if (machine.env.MAILFERRY_DEBUG)
      machine.err.write(
        `${failure.stack}\ncaused by ${String((failure.cause as Error)?.stack ?? failure.cause)}\n`,
      );
    return machine.surroundings.stop.aborted ? EXIT.stopped : exitCode(failure.code);
  }
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('It is not a whole number above 0.');
  return value;
}

function describe(program: Command, add: <O>(command: Command, action: Action<O>) => void): void {
  const snapshot = () =>
    new Option(
      '--snapshot <kind>',
      'require one (default), prefer one to the live file, never make one, or one of this kind',
    ).choices(SNAPSHOTS);
  const caches = () =>
    new Option('--caches', 'copies of what a mail server holds too: OST files and IMAP folders');
  const quota = () =>
    new Option('--quota <bytes>', 'most bytes that staging may take').argParser(wholeNumber);
  add<import('./commands/up.ts').UpOptions>(
    program
      .command('up [paths...]')
      .description('server and agent together on this machine: the quickest way to see it work')
      .option('--once', 'end when every receipt is in')
      .addOption(snapshot()),
    async (...args) => (await import('./commands/up.ts')).up(...args),
  );
  add<import('./commands/enroll.ts').EnrollOptions>(
    program
      .command('enroll')
      .description('make this machine a device of a server')
      .option('--server <url>', 'address of the server')
      .option('--token <token>', 'enrolment token; better in MAILFERRY_TOKEN, where no process list shows it')
      .option('--name <name>', 'what the operator sees')
      .option('--ca-file <file>', 'certificate authorities (PEM) to trust beside those of the system')
      .option('--allow-http', 'take an address that is not encrypted (http) and is not of this machine')
      .option('--renew', 'a new credential for the device that is enrolled, by a token made for it')
      .option('--move <url>', 'the address that the server of this device has now; its key is checked'),
    async (...args) => (await import('./commands/enroll.ts')).enroll(...args),
  );
  add<import('./commands/backup.ts').BackupOptions>(
    program
      .command('backup [paths...]')
      .description('one run over the paths, or over everything known and found')
      .option('--wait', 'until every receipt is in')
      .addOption(snapshot())
      .addOption(caches())
      .addOption(quota()),
    async (...args) => (await import('./commands/backup.ts')).backup(...args),
  );
  add<import('./commands/agent.ts').AgentOptions>(
    program
      .command('agent')
      .description('run until stopped: backups on a schedule, queue, retries')
      .addOption(new Option('--every <minutes>', 'between two looks at the sources').argParser(wholeNumber))
      .addOption(
        new Option('--minimum <minutes>', 'least time between two looks, whatever happens').argParser(
          wholeNumber,
        ),
      )
      .option('--host', 'stop, power and sessions come as lines on standard input, from the Windows service')
      .addOption(snapshot())
      .addOption(caches())
      .addOption(quota()),
    async (...args) => (await import('./commands/agent.ts')).agent(...args),
  );
  add<import('./commands/wake.ts').WakeOptions>(
    program
      .command('wake')
      .description('ask the agent that runs to look at the sources, and to try what waits in the queue, now')
      .addOption(new Option('--reason <reason>', 'what happened').choices(WAKE_REASONS).default('asked')),
    async (...args) => (await import('./commands/wake.ts')).wakeAgent(...args),
  );
  add(
    program.command('status').description('queue, sources and whether the server answers'),
    async (context) => (await import('./commands/status.ts')).status(context),
  );
  add<import('./commands/sources.ts').SourcesOptions>(
    program
      .command('sources')
      .description('what is protected, what was found and why, what is left out and why')
      .addOption(caches())
      .option('--search', 'search all fixed disks for PST files too'),
    async (...args) => (await import('./commands/sources.ts')).sources(...args),
  );
  add(
    program
      .command('forget <paths...>')
      .description('a path, registry key or set is no source any more; its versions stay on the server'),
    async (context, paths) => (await import('./commands/forget.ts')).forget(context, paths),
  );
  add(program.command('versions [path]').description('what the server holds'), async (context, paths) =>
    (await import('./commands/versions.ts')).versions(context, paths),
  );
  add<import('./commands/restore.ts').RestoreOptions>(
    program
      .command('restore [path]')
      .description('a version back into a file, or everything of a kind back to where it belongs here')
      .option(
        '--kind <kind>',
        'everything of this kind: outlook-settings, mapi-profiles, mail-client, pst ...',
      )
      .option('--from <user>', 'whose, where the server holds it of several users: name or SID')
      .option('--version <id>', 'the version; the newest where neither this nor --at is given')
      .option('--at <time>', 'the newest version that the server had at this time (ISO 8601)')
      .option(
        '--to <file>',
        'the file to make; with --kind a folder. Without it: to its own place, or beside it',
      )
      .option('--overwrite', 'replace what is there')
      .option('--no-owner', 'leave owner and permissions as those of a new file')
      .option('--dry-run', 'only say what would be done'),
    async (...args) => (await import('./commands/restore.ts')).restore(...args),
  );
  add<import('./commands/verify.ts').VerifyOptions>(
    program
      .command('verify [path]')
      .description('fetch versions back without writing them, and compare with their receipts')
      .option('--all', 'every version, not only the newest of each source'),
    async (...args) => (await import('./commands/verify.ts')).verify(...args),
  );
  const service = program.command('service').description('have the system keep the agent running');
  const kindOf = (command: Command) =>
    command
      .addOption(
        new Option('--as <kind>', 'on Windows: a service or a scheduled task').choices(['service', 'task']),
      )
      .option('--user', 'on Linux: for this user alone, not for the machine');
  const dryRun = (command: Command) => command.option('--dry-run', 'show what would be done, do nothing');
  add<import('./commands/service.ts').ServiceCommandOptions>(
    dryRun(kindOf(service.command('install').description('install the agent and start it'))),
    async (...args) => (await import('./commands/service.ts')).installService(...args),
  );
  add<import('./commands/service.ts').ServiceCommandOptions>(
    dryRun(kindOf(service.command('uninstall').description('stop the agent and remove it; state stays'))),
    async (...args) => (await import('./commands/service.ts')).uninstallService(...args),
  );
  add<import('./commands/service.ts').ServiceCommandOptions>(
    kindOf(service.command('status').description('whether it is installed and runs')),
    async (...args) => (await import('./commands/service.ts')).serviceStatus(...args),
  );
  add(
    program.command('settings').description('what holds on this machine, and which place says so'),
    async (context) => (await import('./commands/settings.ts')).showSettings(context),
  );
  add(
    program.command('doctor').description('try on this machine what a backup needs, and say what to do'),
    async (context) => (await import('./commands/doctor.ts')).doctor(context),
  );
  program.command('server').description('run a server: see `mailferry server --help`');
}
