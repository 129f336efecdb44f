// The server's command line. With serve.ts the only place of the server that knows process, clock and chance. Runs nothing by itself.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { asFailure, Failure } from '../shared/failure.ts';
import type { Capabilities } from './capabilities.ts';
import type { Catalogue } from './catalogue/catalogue.ts';
import type { Console } from './commands/console.ts';
import { addLimitOptions } from './commands/limit-options.ts';
import type { TokenOptions } from './commands/token.ts';
import { DEFAULT_LISTEN, type ServeOptions, serve } from './serve.ts';

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
    .option('--log-file <file>', 'where the log is appended to instead; SIGHUP opens it anew')
    .option(
      '--base-path <path>',
      'path that a proxy puts it under, such as /mailferry; requests may carry it or not',
    )
    .option(
      '--trusted-proxy <address>',
      'address or network of a proxy whose X-Forwarded-For and X-Forwarded-Prefix count; may be repeated',
      collect,
    )
    .option(
      '--allow-origin <origin>',
      'origin whose web pages may send and read, such as https://mail.example.org; may be repeated',
      collect,
    )
    .addHelpText(
      'after',
      '\nSIGHUP opens the log file anew, as log rotation needs it, and the server goes on: no upload is cut. SIGTERM and SIGINT end it.',
    )
    .action(async (options: ServeOptions) => {
      code = await serve(options, capabilities);
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
  program
    .command('backup')
    .description('Copies all that a server has to another folder. The server may be running.')
    .addOption(dataOption())
    .requiredOption(
      '--to <dir>',
      'a new or empty folder, or an earlier copy of this server, to which is added what is new',
    )
    .option('--check', 'read what an earlier run copied, too, and copy it again where it is damaged')
    .option('--json', 'progress and result as JSON lines')
    .addHelpText(
      'after',
      '\nWhat was cut off goes on when it is run again. The copy is a data directory: `server verify --data` reads it through, and `server --data` starts on it.',
    )
    .action(async (_options: BackupOptions, command: Command) => {
      const options = command.optsWithGlobals<BackupOptions>();
      const { backup } = await import('./commands/backup.ts');
      const places = { source: resolve(options.data), target: resolve(options.to) };
      code = await backup(consoleOf(options), { ...places, check: options.check ?? false });
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

/** What an option was given so far, and once more. */
function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

interface CommandOptions {
  readonly data: string;
  readonly json?: boolean;
}

interface RebuildOptions extends CommandOptions {
  readonly overwrite?: boolean;
}

interface BackupOptions extends CommandOptions {
  readonly to: string;
  readonly check?: boolean;
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
