// Puts a server together on a data directory: lock, catalogue, key, sweep, and only then the door opens. For reading alone where the
// disk is full: then nothing is written, and nothing put right.
import { existsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Failure } from '../shared/failure.ts';
import { assertFinished } from './backup/unfinished.ts';
import { CATALOGUE, Catalogue } from './catalogue/catalogue.ts';
import { makeDataDirectory } from './data-directory.ts';
import { lockDirectory } from './directory-lock.ts';
import { codeOf } from './disk-failure.ts';
import { frontOf } from './front.ts';
import { type BackgroundPorts, expireAll, finishAll, lookForAll, recountAll } from './healing/background.ts';
import { catchUp } from './healing/catch-up.ts';
import { markMissing } from './healing/missing-packs.ts';
import { removeOrphans } from './healing/sweep.ts';
import { type App, createApp } from './http/app.ts';
import { openKnownSigner } from './known-key.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { CheckThread, checkHere } from './pack/check-staged-pack.ts';
import { FrameScratch } from './pack/frame-scratch.ts';
import { Room } from './room.ts';
import type { RunningServer, ServerOptions } from './start-server.ts';
import { FileVault } from './vault/file.ts';

/** Time for requests to end by themselves at a stop, in milliseconds; uploads go on with the next start. */
const GRACE_MS = 1_500;
/** Time for what was cut to come to rest. */
const REST_MS = 2_000;
/** Between two looks for uploads that were given up. */
const EXPIRY_MS = 6 * 3_600_000;
/** Between two looks for losses that were not counted. */
const RECOUNT_MS = 30_000;

/** Failures: as startServer(), and whatever a full disk answers with. */
export async function openServer(options: ServerOptions, readOnly: boolean): Promise<RunningServer> {
  const { directory, capabilities, log } = options;
  if (!readOnly) await makeDataDirectory(directory);
  assertFinished(directory);
  const closing: (() => Promise<void> | void)[] = [lockDirectory(directory)];
  try {
    const catalogue = new Catalogue(directory, CATALOGUE, { readOnly });
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
    const makeKey = readOnly ? undefined : capabilities.newReceiptKey;
    const signer = await openKnownSigner({ directory, catalogue, vault }, makeKey);
    if (!readOnly) {
      if ((await catalogue.key.get()) !== signer.publicKey) await catalogue.key.record(signer.publicKey);
      await catchUp({ catalogue, vault, scratch, signer, log });
      await vault.freeBytes();
    }
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
      front: options.front ?? frontOf({}),
      room: new Room(directory, vault, () => scratch.giveRoom()),
      readOnly,
    });
    closing.push(() => stop(app));
    if (!readOnly) await putRight(app, { catalogue, vault, log });
    await listen(app, options);
    if (!readOnly) closing.push(workBehind(app, { catalogue, vault, log, fatal: options.fatal }, options));
    return { url: urlOf(app, options.host), catalogue, close: once(() => closeAll(closing)) };
  } catch (error) {
    await closeAll(closing);
    throw error;
  }
}

/** What has to be right before a request is taken. */
async function putRight(
  { scopes }: App,
  { catalogue, vault, log }: Pick<BackgroundPorts, 'catalogue' | 'vault' | 'log'>,
): Promise<void> {
  for (const device of await catalogue.enrolment.deviceIds()) {
    await vault.sweep(device);
    const scope = await scopes.of(device);
    await removeOrphans(scope);
    const { packs, versions } = await markMissing(scope.catalogue, vault);
    if (packs > 0) {
      log.error(
        { device, packs, versions },
        'the catalogue is ahead of its vault: packs are missing; versions that stand on them are marked as damaged',
      );
    }
  }
}

/** Starts what goes on beside requests; the function returned ends it. */
function workBehind(
  { scopes }: App,
  ports: Pick<BackgroundPorts, 'catalogue' | 'vault' | 'log' | 'fatal'>,
  { recountEveryMs = RECOUNT_MS }: ServerOptions,
): () => Promise<void> {
  let over = false;
  const background: BackgroundPorts = { ...ports, scopes, isOver: () => over };
  const atWork = new Set<Promise<void>>();
  const run = (work: Promise<void>): void => {
    atWork.add(work);
    void work.catch(() => undefined).then(() => atWork.delete(work));
  };
  run(
    finishAll(background)
      .then(() => expireAll(background))
      .then(() => lookForAll(background)),
  );
  const timers = [
    setInterval(() => run(expireAll(background)), EXPIRY_MS),
    setInterval(() => run(recountAll(background)), recountEveryMs),
  ];
  for (const timer of timers) timer.unref();
  return async () => {
    over = true;
    for (const timer of timers) clearInterval(timer);
    await within(REST_MS, Promise.allSettled(atWork));
  };
}

/** Whether there is a catalogue that could be read from. */
export function hasCatalogue(directory: string): boolean {
  return existsSync(join(directory, CATALOGUE));
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
