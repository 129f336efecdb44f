// The server's command line, and the only place of the server that knows process, clock and chance. Runs nothing by itself.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Command, CommanderError, Option } from 'commander';
import { asFailure, Failure } from '../shared/failure.ts';
import type { Capabilities } from './capabilities.ts';
import type { Catalogue } from './catalogue/catalogue.ts';
import type { Console } from './commands/console.ts';
import { addLimitOptions, type LimitOptions, limitsOf } from './commands/limit-options.ts';
import type { TokenOptions } from './commands/token.ts';

const DEFAULT_LISTEN = '127.0.0.1:8787';
/**
 * What passes through a server is buffers and commits that are done with at once. A small young generation, and an old one that
 * grows by a little at most before it is looked through, keep 130 MB where V8's own choice took 200 (a first backup of 4 GiB and
 * ten days after it), at no time measured. With 30 % instead of 60 a server under 100,000 hostile requests grew by 40 MiB, not 66.
 */
const V8_FLAGS = ['--semi-space-growth-factor=1', '--heap-growing-percent=30'];

const LEVELS = ['silent', 'fatal', 'error', 'warn', 'info', 'debug'];

const capabilities: Capabilities = {
  now: Date.now,
  randomBytes,
  newReceiptKey: () =>
    String(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })),
};

/**
 * Runs `mailferry server` with the words after `server`. Resolves with the exit code, for the server itself when it was
 * stopped by SIGTERM, SIGINT or the end of its parent. Rejects with a Failure, which the caller prints.
 */
export async function main(argv: string[]): Promise<number> {
  let code = 0;
  const program = new Command('mailferry server')
    .description('Takes the backups of devices and gives them back.')
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .addOption(dataOption())
    .option('--listen <host:port>', 'address to listen on; port 0 takes any that is free', DEFAULT_LISTEN)
    .option('--json', 'say where it listens as one JSON object')
    .addOption(
      new Option('--log-level <level>', 'what is logged on standard error').choices(LEVELS).default('info'),
    )
    .action(async (options: ServeOptions) => {
      code = await serve(options);
    });
  addLimitOptions(program);
  const token = program.command('token').description('Enrolment tokens.');
  token
    .command('create')
    .description('Makes a token with which a device enrols. The server may be running.')
    .addOption(dataOption())
    .option('--uses <n>', 'devices it is good for (1)')
    .option('--expires <span>', 'how long it is good for, such as 15m, 12h, 30d (30d, with --renew 1d)')
    .option(
      '--renew <device>',
      'for a new credential of this device instead; the one it has is then good for nothing',
    )
    .option('--json', 'print one JSON object')
    .action(async (_options: TokenOptions, command: Command) => {
      const options = command.optsWithGlobals<TokenOptions & CommandOptions>();
      const [{ printToken, tokenUse }, { makeDataDirectory }] = await Promise.all([
        import('./commands/token.ts'),
        import('./data-directory.ts'),
      ]);
      tokenUse(options);
      // A server that was not started yet has tokens, too, but no devices.
      if (options.renew === undefined) await makeDataDirectory(resolve(options.data));
      await withCatalogue(options, (catalogue) =>
        printToken(consoleOf(options), catalogue, options, capabilities),
      );
    });
  const offline = (command: Command): Command =>
    command.addOption(dataOption()).option('--json', 'progress and result as JSON lines');
  offline(program.command('rebuild'))
    .description('Makes the catalogue again out of the vaults. The server must not be running.')
    .option('--overwrite', 'also where the catalogue is whole; it is kept under another name')
    .action(async (_options: RebuildOptions, command: Command) => {
      const options = command.optsWithGlobals<RebuildOptions>();
      const { rebuild } = await import('./commands/rebuild.ts');
      const chosen = { directory: resolve(options.data), overwrite: options.overwrite ?? false };
      code = await rebuild(consoleOf(options), chosen, capabilities);
    });
  const device = program.command('device').description('Enrolled devices. The server may be running.');
  offline(device.command('list'))
    .description('Who is enrolled.')
    .action(async (_options: CommandOptions, command: Command) => {
      const options = command.optsWithGlobals<CommandOptions>();
      const { listDevices } = await import('./commands/device.ts');
      await withCatalogue(options, (catalogue) => listDevices(consoleOf(options), catalogue));
    });
  offline(device.command('revoke <device>'))
    .description('Lets a device in no more. What it backed up stays.')
    .action(async (id: string, _options: CommandOptions, command: Command) => {
      const options = command.optsWithGlobals<CommandOptions>();
      const { revokeDevice } = await import('./commands/device.ts');
      await withCatalogue(options, (catalogue) =>
        revokeDevice(consoleOf(options), catalogue, resolve(options.data), id, capabilities),
      );
    });
  offline(program.command('verify'))
    .description('Reads everything and compares it with its hashes. The server may be running.')
    .option('--repair', 'move damaged packs aside and ask their devices for the bytes')
    .action(async (_options: VerifyOptions, command: Command) => {
      const options = command.optsWithGlobals<VerifyOptions>();
      const { verify } = await import('./commands/verify.ts');
      code = await verify(consoleOf(options), {
        directory: resolve(options.data),
        repair: options.repair ?? false,
      });
    });
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0)
      throw new Failure('usage', error.message.replace(/^error: /, ''), { cause: error });
  }
  return code;
}

interface ServeOptions extends LimitOptions {
  readonly data: string;
  readonly listen: string;
  readonly json?: boolean;
  readonly logLevel: string;
}

interface CommandOptions {
  readonly data: string;
  readonly json?: boolean;
}

interface RebuildOptions extends CommandOptions {
  readonly overwrite?: boolean;
}

interface VerifyOptions extends CommandOptions {
  readonly repair?: boolean;
}

function consoleOf({ json }: CommandOptions): Console {
  return { out: process.stdout, err: process.stderr, now: Date.now, json: json ?? false };
}

function dataOption(): Option {
  const home = process.env.XDG_DATA_HOME || join(homedir(), '.local', 'share');
  return new Option('--data <dir>', 'data directory')
    .env('MAILFERRY_DATA')
    .default(join(home, 'mailferry-server'));
}

/** V8 sets the growth of young generations back to two with every thread that starts, so this is called again then. */
function keepHeapSmall(): void {
  for (const flag of V8_FLAGS) setFlagsFromString(flag);
}

async function serve(options: ServeOptions): Promise<number> {
  const directory = resolve(options.data);
  const { host, port } = parseListen(options.listen);
  const limits = limitsOf(options);
  // Before most of the program is loaded: what loading leaves in a young generation that has grown stays for good.
  keepHeapSmall();
  const [{ pino }, { startServer }] = await Promise.all([import('pino'), import('./start-server.ts')]);
  const log = pino(
    {
      level: options.logLevel,
      redact: ['*.authorization', '*.headers.authorization', '*.token', '*.credential'],
    },
    pino.destination({ fd: 2, sync: true }),
  );
  let code = 0;
  let stop: (reason: string) => void = () => undefined;
  const stopped = new Promise<string>((resolve) => {
    stop = resolve;
  });
  const fatal = (error: unknown): void => {
    log.fatal({ err: error }, 'the disk failed; stopping, so that nothing is acknowledged that may be lost');
    code = 1;
    stop('fatal');
  };
  const stopListening = onStop((reason) => stop(reason));
  try {
    const checkWorker = new URL('./pack/check-worker.js', import.meta.url);
    const server = await startServer({
      checkWorker,
      threadStarted: keepHeapSmall,
      directory,
      host,
      port,
      capabilities,
      limits,
      log,
      fatal,
    });
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ listening: server.url })}\n`
        : `Mailferry server listens on ${server.url}, data in ${directory}\n`,
    );
    log.info({ reason: await stopped }, 'stopping');
    await server.close();
  } finally {
    stopListening();
  }
  return code;
}

/** Calls `stop` when the process is asked to end; the function returned takes the listeners away again. */
function onStop(stop: (reason: string) => void): () => void {
  const byTerm = (): void => stop('SIGTERM');
  const byInt = (): void => stop('SIGINT');
  // A server started by another process over IPC does not outlive it.
  const byParent = (): void => stop('disconnect');
  process.once('SIGTERM', byTerm);
  process.once('SIGINT', byInt);
  if (process.send) process.once('disconnect', byParent);
  return () => {
    process.off('SIGTERM', byTerm);
    process.off('SIGINT', byInt);
    // While somebody listens for it, the channel to the parent keeps the process alive.
    process.off('disconnect', byParent);
  };
}

function parseListen(text: string): { host: string; port: number } {
  const match = /^(.+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (!match || port > 65_535)
    throw new Failure('usage', `"${text}" is no address such as ${DEFAULT_LISTEN}.`);
  return { host: match[1]!.replace(/^\[(.*)\]$/, '$1'), port };
}

/** Lends the catalogue of a data directory that there is already. */
async function withCatalogue(
  options: CommandOptions,
  use: (catalogue: Catalogue) => Promise<void>,
): Promise<void> {
  const directory = resolve(options.data);
  if (!existsSync(directory)) throw new Failure('state_unusable', `There is no data directory ${directory}.`);
  const catalogue = await openCatalogue(directory);
  try {
    await use(catalogue);
  } finally {
    await catalogue.close();
  }
}

async function openCatalogue(directory: string): Promise<Catalogue> {
  const { Catalogue } = await import('./catalogue/catalogue.ts');
  try {
    return new Catalogue(directory);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('state_unusable', `The data directory ${directory} can't be used.`, {
      cause: asFailure(error),
    });
  }
}
