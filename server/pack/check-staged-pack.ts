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
    return await checkPack(readFully(file), stored, id, true);
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

/** One thread for all devices. It is started when it is first needed, and again should it ever die. */
export class CheckThread {
  readonly #program: URL;
  readonly #onStart: () => void;
  #worker: Worker | undefined;
  /** Answers come in the order of the questions. */
  #waiting: { resolve: (raw: number) => void; reject: (error: Error) => void }[] = [];

  /** `program`: check-worker.js. `onStart` is called each time the thread has come up. */
  constructor(program: URL, onStart: () => void = () => undefined) {
    this.#program = program;
    this.#onStart = onStart;
  }

  readonly check: CheckStagedPack = (pack) =>
    new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#started().postMessage(pack);
    });

  #started(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(this.#program, { resourceLimits: { maxYoungGenerationSizeMb: 1 } });
    worker.on('online', this.#onStart);
    worker.on('message', (answer: CheckAnswer) => {
      const waiting = this.#waiting.shift();
      if ('raw' in answer) waiting?.resolve(answer.raw);
      else waiting?.reject(new Failure(answer.failure.code, answer.failure.message));
    });
    worker.on('error', (error) => this.#died(worker, error));
    worker.on('exit', () => this.#died(worker, new Failure('internal', 'The checking thread ended.')));
    this.#worker = worker;
    return worker;
  }

  #died(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }
}
