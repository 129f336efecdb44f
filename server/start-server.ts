// Starts a server. Where the disk is so full that nothing can be written, it starts for reading alone, and goes on as usual when there
// is room again: restores don't wait for an operator.
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Capabilities } from './capabilities.ts';
import type { Catalogue } from './catalogue/catalogue.ts';
import { codeOf, isFull } from './disk-failure.ts';
import type { Front } from './front.ts';
import type { Limits } from './limits.ts';
import { hasCatalogue, openServer } from './open-server.ts';
import { Room } from './room.ts';
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
  /** What lies in front of it; nothing where it is not given. */
  readonly front?: Front;
  /** check-worker.js, to check packs in a thread of its own; without it they are checked where they are received. */
  readonly checkWorker?: URL;
  /** Called whenever a thread has come up. */
  readonly threadStarted?: () => void;
  /** Called once at most, when the server must not go on; the caller closes it. */
  readonly fatal: (error: unknown) => void;
  /** Between two looks for lost packs that were not counted, in milliseconds; 30 s where nothing is said. */
  readonly recountEveryMs?: number;
}

export interface RunningServer {
  readonly url: string;
  readonly catalogue: Catalogue;
  /** Lets requests end for a moment, then cuts them; what uploads had sent stays. Never takes longer than 4 seconds. */
  close(): Promise<void>;
}

/** Between two looks for room while the server only reads, in milliseconds. */
const ROOM_MS = 2_000;

/**
 * Starts. Failures: `state_locked`, `state_unusable` (the directory, the key, a newer catalogue, the address, a copy that is not
 * finished).
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  try {
    return await openServer(options, false);
  } catch (error) {
    if (!(await wantsRoom(error, options.directory))) throw error;
    const reading = await openServer(options, true).catch((cause) => {
      options.log.error({ err: cause }, 'no start for reading alone either');
      throw error;
    });
    options.log.error(
      { err: error },
      'the disk is full: the server only reads; restores go on, and everything else when there is room',
    );
    return new UntilThereIsRoom(options, reading);
  }
}

/** Whether a start failed because nothing can be written, and there is something to read. SQLite does not always tell why. */
async function wantsRoom(error: unknown, directory: string): Promise<boolean> {
  if (!hasCatalogue(directory)) return false;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isFull(cause)) return true;
    if (/^SQLITE_(IOERR|CANTOPEN)/.test(codeOf(cause))) return !(await hasRoom(directory));
  }
  return false;
}

async function hasRoom(directory: string): Promise<boolean> {
  const vault = new FileVault(join(directory, 'vaults'));
  try {
    return await new Room(directory, vault).has();
  } finally {
    await vault.close();
  }
}

/** A server that reads only, until it can be started anew at the same address as one that writes. */
class UntilThereIsRoom implements RunningServer {
  readonly url: string;
  readonly #options: ServerOptions;
  #current: RunningServer;
  #timer: NodeJS.Timeout | undefined;
  #changing: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: ServerOptions, reading: RunningServer) {
    this.#options = { ...options, port: Number(new URL(reading.url).port) };
    this.#current = reading;
    this.url = reading.url;
    this.#wait();
  }

  get catalogue(): Catalogue {
    return this.#current.catalogue;
  }

  #wait(): void {
    this.#timer = setTimeout(() => {
      this.#changing = this.#change();
    }, ROOM_MS);
    this.#timer.unref();
  }

  async #change(): Promise<void> {
    const { directory, log, fatal } = this.#options;
    if (!(await hasRoom(directory).catch(() => false))) return this.#isClosed ? undefined : this.#wait();
    if (this.#isClosed) return;
    await this.#current.close();
    try {
      this.#current = await openServer(this.#options, false);
      log.info('there is room again: the server writes');
    } catch (error) {
      log.error({ err: error }, 'the server could not go on to write');
      try {
        this.#current = await openServer(this.#options, true);
        this.#wait();
      } catch (cause) {
        fatal(cause);
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#changing;
    await this.#current.close();
  }
}
