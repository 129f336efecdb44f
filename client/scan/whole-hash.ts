// Slots of memory that a source is read into, and the SHA-256 of all of it, added up beside the reader.
import { createHash } from 'node:crypto';
import type { Worker } from 'node:worker_threads';
import { COARSE } from '../../shared/block.ts';
import { BATCH } from '../fingerprint/fingerprint-file.ts';
import { startWorker } from '../worker-thread.ts';
import type { HashAnswer, HashRequest } from './whole-hash-worker.ts';

/** Bytes read at a time. */
export const SLOT_BYTES = BATCH * COARSE;
const SLOTS = 4;

export interface Slot {
  readonly number: number;
  /** SLOT_BYTES of shared memory. */
  readonly bytes: Buffer;
}

/** What scan() reads into and hashes with; one source at a time, slots in the order of the source. */
export interface SlotHash {
  begin(): void;
  /** A free slot; waits for one. */
  take(): Promise<Slot>;
  /** Adds the first `length` bytes of the slot; it stays taken until that is done and it is released. */
  update(slot: Slot, length: number): void;
  release(number: number): void;
  /** SHA-256 of everything since begin(), in hexadecimal. */
  digest(): Promise<string>;
  close(): Promise<void>;
}

/** For large sources: the sum is added up in a worker, on another core. */
export class WorkerHash implements SlotHash {
  readonly #memory = new SharedArrayBuffer(SLOTS * SLOT_BYTES);
  readonly #worker: Worker;
  readonly #free: Slot[];
  /** Slots handed out and given back twice: by the reader and by the hash. */
  readonly #holders = new Map<number, number>();
  #waiting: (() => void)[] = [];
  #digest: { resolve: (digest: string) => void; reject: (error: Error) => void } | undefined;
  #failed: Error | undefined;

  constructor() {
    this.#free = Array.from({ length: SLOTS }, (_, number) => ({
      number,
      bytes: Buffer.from(this.#memory, number * SLOT_BYTES, SLOT_BYTES),
    }));
    this.#worker = startWorker(new URL('./whole-hash-worker.js', import.meta.url), {
      workerData: this.#memory,
    });
    this.#worker.on('message', (answer: HashAnswer) => {
      if ('digest' in answer) this.#digest?.resolve(answer.digest);
      else this.release(answer.slot);
    });
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('the hashing thread ended')));
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    this.#digest?.reject(this.#failed);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  get failed(): boolean {
    return this.#failed !== undefined;
  }

  #post(request: HashRequest): void {
    this.#worker.postMessage(request);
  }

  begin(): void {
    this.#post({ do: 'begin' });
  }

  async take(): Promise<Slot> {
    for (;;) {
      if (this.#failed) throw this.#failed;
      const slot = this.#free.pop();
      if (slot) {
        this.#holders.set(slot.number, 1);
        return slot;
      }
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  update(slot: Slot, length: number): void {
    this.#holders.set(slot.number, (this.#holders.get(slot.number) ?? 0) + 1);
    this.#post({ do: 'update', slot: slot.number, at: slot.number * SLOT_BYTES, length });
  }

  release(number: number): void {
    const left = (this.#holders.get(number) ?? 1) - 1;
    this.#holders.set(number, left);
    if (left > 0) return;
    this.#free.push({ number, bytes: Buffer.from(this.#memory, number * SLOT_BYTES, SLOT_BYTES) });
    this.#waiting.shift()?.();
  }

  async digest(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#digest = { resolve, reject };
      if (this.#failed) reject(this.#failed);
      this.#post({ do: 'digest' });
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** For small sources, where starting a worker costs more than the sum: here and now. */
export class InlineHash implements SlotHash {
  readonly #slots: Slot[] = Array.from({ length: 2 }, (_, number) => ({
    number,
    bytes: Buffer.alloc(SLOT_BYTES),
  }));
  readonly #free: Slot[] = this.#slots.slice();
  #sum = createHash('sha256');
  #waiting: (() => void)[] = [];

  begin(): void {
    this.#sum = createHash('sha256');
  }

  async take(): Promise<Slot> {
    for (;;) {
      const slot = this.#free.pop();
      if (slot) return slot;
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  update(slot: Slot, length: number): void {
    this.#sum.update(slot.bytes.subarray(0, length));
  }

  release(number: number): void {
    this.#free.push(this.#slots[number]!);
    this.#waiting.shift()?.();
  }

  async digest(): Promise<string> {
    return this.#sum.digest('hex');
  }

  async close(): Promise<void> {}
}
