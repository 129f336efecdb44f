// Checks the staged file of a pack: here, or in a thread of its own, so that the server goes on receiving meanwhile.
import { type FileHandle, open } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { Failure, type FailureCode } from '../../shared/failure.ts';
import { checkPack } from './check-pack.ts';
import type { ReadPack } from './pack-reader.ts';

export interface StagedPack {
  readonly path: string;
  /** Bytes of the file. */
  readonly stored: number;
  /** What its SHA-256 must be. */
  readonly id: string;
}

/** The raw length of a staged pack that is what it claims to be; a Failure `pack_refused` where it is not. */
export type CheckStagedPack = (pack: StagedPack) => Promise<number>;

export const checkHere: CheckStagedPack = async ({ path, stored, id }) => {
  const file = await open(path, 'r');
  try {
    return await checkPack(readFully(file), stored, id);
  } finally {
    await file.close();
  }
};

/** A reader that fills what it is given, or fails with `malformed` where the file ends before. */
export function readFully(file: FileHandle): ReadPack {
  return async (position, into) => {
    for (let done = 0; done < into.length; ) {
      const { bytesRead } = await file.read(into, done, into.length - done, position + done);
      if (bytesRead === 0) throw new Failure('malformed', 'The upload became shorter while it was read.');
      done += bytesRead;
    }
  };
}

export type CheckAnswer =
  | { readonly raw: number }
  | { readonly failure: { readonly code: FailureCode; readonly message: string } };

/** Threads that check at once: the second costs 10 MB and is there only while packs come faster than one checks them. */
const THREADS = 2;
/** ms after which a thread that nobody asks any more ends; the first one stays. */
const IDLE_MS = 10_000;

/** The threads for the packs of all devices. Each is started when it is first needed, and again should it ever die. */
export class CheckThreads {
  readonly #threads: readonly CheckThread[];

  /** `program`: check-worker.js. `onStart` is called each time a thread has come up. */
  constructor(program: URL, onStart: () => void = () => undefined) {
    this.#threads = Array.from(
      { length: THREADS },
      (_, number) => new CheckThread(program, onStart, number > 0 ? IDLE_MS : Number.POSITIVE_INFINITY),
    );
  }

  readonly check: CheckStagedPack = (pack) => {
    const free = this.#threads.reduce((best, next) => (next.asked < best.asked ? next : best));
    return free.check(pack);
  };

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}

class CheckThread {
  readonly #program: URL;
  readonly #onStart: () => void;
  readonly #idleMs: number;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** Answers come in the order of the questions. */
  #waiting: { resolve: (raw: number) => void; reject: (error: Error) => void }[] = [];

  constructor(program: URL, onStart: () => void, idleMs: number) {
    this.#program = program;
    this.#onStart = onStart;
    this.#idleMs = idleMs;
  }

  /** Questions without an answer yet. */
  get asked(): number {
    return this.#waiting.length;
  }

  check(pack: StagedPack): Promise<number> {
    return new Promise((resolve, reject) => {
      clearTimeout(this.#idle);
      this.#waiting.push({ resolve, reject });
      this.#started().postMessage(pack);
    });
  }

  #started(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(this.#program, { resourceLimits: { maxYoungGenerationSizeMb: 1 } });
    worker.on('online', this.#onStart);
    worker.on('message', (answer: CheckAnswer) => {
      const waiting = this.#waiting.shift();
      if ('raw' in answer) waiting?.resolve(answer.raw);
      else waiting?.reject(new Failure(answer.failure.code, answer.failure.message));
      if (this.asked === 0) this.#rest();
    });
    worker.on('error', (error) => this.#died(worker, error));
    worker.on('exit', () => this.#died(worker, ended()));
    this.#worker = worker;
    return worker;
  }

  #rest(): void {
    if (this.#idleMs === Number.POSITIVE_INFINITY) return;
    this.#idle = setTimeout(() => void this.close(), this.#idleMs).unref();
  }

  #died(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** Ends the thread; whoever still waits for an answer is told so. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    if (!worker) return;
    this.#died(worker, ended());
    await worker.terminate();
  }
}

const ended = () => new Failure('internal', 'The checking thread ended.');
