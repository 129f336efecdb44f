// Puts a server together on a data directory and starts it: lock, catalogue, key, sweep, and only then the door opens.
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Failure } from '../shared/failure.ts';
import type { Capabilities } from './capabilities.ts';
import { Catalogue } from './catalogue/catalogue.ts';
import { makeDataDirectory } from './data-directory.ts';
import { lockDirectory } from './directory-lock.ts';
import { codeOf, isFatal } from './disk-failure.ts';
import { catchUp } from './healing/catch-up.ts';
import { finishComplete, removeOrphans } from './healing/sweep.ts';
import { type App, createApp } from './http/app.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { CheckThread, checkHere } from './pack/check-staged-pack.ts';
import { FrameScratch } from './pack/frame-scratch.ts';
import { openReceiptSigner } from './receipt-key.ts';
import { FileVault } from './vault/file.ts';

export interface ServerOptions {
  /** Made where it is missing. */
  readonly directory: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly capabilities: Capabilities;
  readonly log: Logger;
  /** What differs from DEFAULT_LIMITS. */
  readonly limits?: Partial<Limits>;
  /** check-worker.js, to check packs in a thread of its own; without it they are checked where they are received. */
  readonly checkWorker?: URL;
  /** Called whenever a thread has come up. */
  readonly threadStarted?: () => void;
  /** Called once at most, when the server must not go on; the caller closes it. */
  readonly fatal: (error: unknown) => void;
}

export interface RunningServer {
  readonly url: string;
  readonly catalogue: Catalogue;
  /** Lets requests end for a moment, then cuts them; what uploads had sent stays. Never takes longer than 4 seconds. */
  close(): Promise<void>;
}

/** Time for requests to end by themselves at a stop, in milliseconds; uploads go on with the next start. */
const GRACE_MS = 1_500;
/** Time for what was cut to come to rest. */
const REST_MS = 2_000;
/** Between two looks for uploads that were given up. */
const EXPIRY_MS = 6 * 3_600_000;

/** Starts. Failures: `state_locked`, `state_unusable` (the directory, the key, a newer catalogue, the address). */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { directory, capabilities, log } = options;
  await makeDataDirectory(directory);
  const unlock = lockDirectory(directory);
  const closing: (() => Promise<void> | void)[] = [unlock];
  try {
    const catalogue = new Catalogue(directory);
    closing.push(() => catalogue.close());
    const vault = new FileVault(join(directory, 'vaults'));
    closing.push(() => vault.close());
    const scratch = new FrameScratch(join(directory, 'scratch'));
    await scratch.prepare();
    closing.push(() => scratch.close());
    const checking = options.checkWorker
      ? new CheckThread(options.checkWorker, options.threadStarted)
      : undefined;
    closing.push(() => checking?.close());
    const signer = await openReceiptSigner(directory, await keyMaker(catalogue, options));
    await catchUp({ catalogue, vault, scratch, signer, log });
    const app = createApp({
      catalogue,
      vault,
      scratch,
      checkStaged: checking?.check ?? checkHere,
      signer,
      capabilities,
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      log,
      fatal: options.fatal,
    });
    closing.push(() => stop(app));
    await vault.freeBytes();
    const devices = await catalogue.enrolment.deviceIds();
    for (const device of devices) {
      await vault.sweep(device);
      await removeOrphans(await app.scopes.of(device));
    }
    await listen(app, options);
    const finishing = finishAll(app, devices, options).then(() => expireAll(app, catalogue, log));
    closing.push(() => within(REST_MS, finishing));
    const timer = setInterval(() => void expireAll(app, catalogue, log), EXPIRY_MS);
    timer.unref();
    closing.push(() => clearInterval(timer));
    return { url: urlOf(app, options.host), catalogue, close: once(() => closeAll(closing)) };
  } catch (error) {
    await closeAll(closing);
    throw error;
  }
}

/** Makes the first key; never a second one, which would make every receipt that devices hold look forged. */
async function keyMaker(
  catalogue: Catalogue,
  { capabilities, directory }: ServerOptions,
): Promise<() => string> {
  const isNew = (await catalogue.enrolment.deviceIds()).length === 0;
  return () => {
    if (isNew) return capabilities.newReceiptKey();
    throw new Failure(
      'state_unusable',
      `receipt-key.pem is not in ${directory}, but devices hold receipts signed with it: put it back first.`,
    );
  };
}

async function listen({ fastify }: App, { host, port }: ServerOptions): Promise<void> {
  try {
    await fastify.listen({ host, port });
  } catch (cause) {
    if (!['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'ENOTFOUND'].includes(codeOf(cause))) throw cause;
    throw new Failure('state_unusable', `The server cannot listen on ${host}:${port} (${codeOf(cause)}).`, {
      cause,
    });
  }
}

async function finishAll(
  { scopes }: App,
  devices: readonly string[],
  { log, fatal }: ServerOptions,
): Promise<void> {
  for (const device of devices) {
    try {
      await finishComplete(await scopes.of(device), log);
    } catch (error) {
      log.error({ device, err: error }, 'the uploads of a device could not be finished');
      if (isFatal(error)) return fatal(error);
    }
  }
}

/** Forgets the uploads that were given up, of every device. */
async function expireAll({ scopes }: App, catalogue: Catalogue, log: Logger): Promise<void> {
  for (const device of await catalogue.enrolment.deviceIds()) {
    try {
      const uploads = await (await scopes.of(device)).expireUploads();
      if (uploads > 0) log.info({ device, uploads }, 'unfinished uploads were forgotten');
    } catch (error) {
      log.error({ device, err: error }, 'the unfinished uploads of a device could not be looked through');
    }
  }
}

function urlOf({ fastify }: App, host: string): string {
  const { port } = fastify.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function stop({ fastify, uploadsAtRest }: App): Promise<void> {
  const closed = fastify.close();
  await within(GRACE_MS, closed);
  fastify.server.closeAllConnections();
  await within(REST_MS, Promise.all([closed, uploadsAtRest()]));
}

/** Closes in the reverse order of opening. */
async function closeAll(closing: (() => Promise<void> | void)[]): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close();
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= work();
    return running;
  };
}
