// The server as a process: its log, its signals, and how it ends.
import { resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Failure } from '../shared/failure.ts';
import type { Capabilities } from './capabilities.ts';
import { type LimitOptions, limitsOf } from './commands/limit-options.ts';
import { frontOf } from './front.ts';

export const DEFAULT_LISTEN = '127.0.0.1:8787';
/**
 * What passes through a server is buffers and commits that are done with at once. A small young generation, and an old one that
 * grows by a little at most before it is looked through, keep 130 MB where V8's own choice took 200 (a first backup of 4 GiB and
 * ten days after it), at no time measured. With 30 % instead of 60 a server under 100,000 hostile requests grew by 40 MiB, not 66.
 */
const V8_FLAGS = ['--semi-space-growth-factor=1', '--heap-growing-percent=30'];

export interface ServeOptions extends LimitOptions {
  readonly data: string;
  readonly listen: string;
  readonly json?: boolean;
  readonly logLevel: string;
  readonly logFile?: string;
  readonly basePath?: string;
  readonly trustedProxy?: string[];
  readonly allowOrigin?: string[];
}

/** V8 sets the growth of young generations back to two with every thread that starts, so this is called again then. */
function keepHeapSmall(): void {
  for (const flag of V8_FLAGS) setFlagsFromString(flag);
}

/** Serves until the process is asked to end. Resolves with the exit code; rejects with a Failure where it can't start. */
export async function serve(options: ServeOptions, capabilities: Capabilities): Promise<number> {
  let reload: () => void = () => undefined;
  // First of all: until somebody listens for it, this signal ends the process.
  const stopReloading = onReload(() => reload());
  const directory = resolve(options.data);
  const { host, port } = parseListen(options.listen);
  const limits = limitsOf(options);
  const front = frontOf({
    basePath: options.basePath,
    proxies: options.trustedProxy,
    origins: options.allowOrigin,
  });
  // Before most of the program is loaded: what loading leaves in a young generation that has grown stays for good.
  keepHeapSmall();
  const [{ openLog }, { startServer }] = await Promise.all([import('./log.ts'), import('./start-server.ts')]);
  const { log, reopen } = openLog(
    options.logLevel,
    options.logFile === undefined ? null : resolve(options.logFile),
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
  reload = () => {
    reopen();
    log.info('reloaded: the log goes on, and so does the server');
  };
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
      front,
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
    stopReloading();
  }
  return code;
}

/** Calls `reload` on SIGHUP, which Windows has only for a console that is closed; the function returned ends that. */
function onReload(reload: () => void): () => void {
  if (process.platform === 'win32') return () => undefined;
  process.on('SIGHUP', reload);
  return () => process.off('SIGHUP', reload);
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
