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

/** SLOT_BYTES of memory that belongs to one at a time: the reader, then the hash. */
export type Slot = Buffer<ArrayBuffer>;

/** What scan() reads into and hashes with; one source at a time, slots in the order of the source. */
export interface SlotHash {
  begin(): void;
  /** A free slot; waits for one. */
  take(): Promise<Slot>;
  /** Adds the first `length` bytes of the slot, which is no longer the caller's: it is free again when that is done. */
  update(slot: Slot, length: number): void;
  /** Gives a slot back whose bytes don't count. */
  release(slot: Slot): void;
  /** SHA-256 of everything since begin(), in hexadecimal. */
  digest(): Promise<string>;
  close(): Promise<void>;
}

/** Free slots, and who waits for one. */
class FreeSlots {
  readonly #free: Slot[];
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = Array.from({ length: count }, () => Buffer.from(new ArrayBuffer(SLOT_BYTES)));
  }

  /** `check` is called before each look for one, and throws where none will come. */
  async take(check: () => void = () => undefined): Promise<Slot> {
    for (;;) {
      check();
      const slot = this.#free.pop();
      if (slot) return slot;
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  put(slot: Slot): void {
    this.#free.push(slot);
    this.#waiting.shift()?.();
  }

  wakeAll(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/**
 * For large sources: the sum is added up in a worker, on another core. Slots are handed over and back, since V8 copies out of memory
 * that threads share at a third of the speed of any other, and the reader copies every byte twice.
 */
export class WorkerHash implements SlotHash {
  readonly #worker: Worker;
  readonly #slots = new FreeSlots(SLOTS);
  #digest: { resolve: (digest: string) => void; reject: (error: Error) => void } | undefined;
  #failed: Error | undefined;

  constructor() {
    this.#worker = startWorker(new URL('./whole-hash-worker.js', import.meta.url));
    this.#worker.on('message', (answer: HashAnswer) => {
      if ('digest' in answer) this.#digest?.resolve(answer.digest);
      else this.release(Buffer.from(answer.slot));
    });
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('the hashing thread ended')));
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    this.#digest?.reject(this.#failed);
    this.#slots.wakeAll();
  }

  get failed(): boolean {
    return this.#failed !== undefined;
  }

  #post(request: HashRequest, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(request, transfer);
  }

  begin(): void {
    this.#post({ do: 'begin' });
  }

  take(): Promise<Slot> {
    return this.#slots.take(() => {
      if (this.#failed) throw this.#failed;
    });
  }

  update(slot: Slot, length: number): void {
    this.#post({ do: 'update', slot: slot.buffer, length }, [slot.buffer]);
  }

  release(slot: Slot): void {
    this.#slots.put(slot);
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
  readonly #slots = new FreeSlots(2);
  #sum = createHash('sha256');

  begin(): void {
    this.#sum = createHash('sha256');
  }

  take(): Promise<Slot> {
    return this.#slots.take();
  }

  update(slot: Slot, length: number): void {
    this.#sum.update(slot.subarray(0, length));
    this.release(slot);
  }

  release(slot: Slot): void {
    this.#slots.put(slot);
  }

  async digest(): Promise<string> {
    return this.#sum.digest('hex');
  }

  async close(): Promise<void> {}
}
