// The packer: hands frames to its worker and holds back a reader that is faster than it.
import type { Worker } from 'node:worker_threads';
import { Failure } from '../../shared/failure.ts';
import { isDiskFull } from '../device-failure.ts';
import { startWorker } from '../worker-thread.ts';
import type { FrameSettings } from './frame-settings.ts';
import type { SealedPack } from './pack-file.ts';
import type { PackerAnswer, PackerRequest } from './packer-worker.ts';

/** Batches on their way to the worker at most, beside the one being filled: one is compressed, the next one waits. */
const BATCHES_ON_THE_WAY = 2;

/** A young generation of 1 MiB is collected often, and with it the buffers of frames that were written. */
const LEAN = { maxYoungGenerationSizeMb: 1 };

/** What writes the packs of a backup, one after another: the packer, or what stands in for it. */
export type PackWriter = Pick<Packer, 'open' | 'buffer' | 'add' | 'bytes' | 'seal' | 'abandon'>;

export class Packer {
  readonly #worker: Worker;
  readonly #free: ArrayBuffer[] = [];
  #settings: FrameSettings | undefined;
  /** Raw bytes on their way, of any pack. */
  #inFlight = 0;
  #pack = 0;
  /** Of the open pack: what was written, and raw bytes on their way. */
  #stored = 0;
  #coming = 0;
  #waiting: (() => void)[] = [];
  #sealing: { resolve: (pack: SealedPack) => void; reject: (error: Failure) => void }[] = [];
  #failure: Failure | undefined;

  constructor() {
    this.#worker = startWorker(new URL('./packer-worker.js', import.meta.url), { resourceLimits: LEAN });
    this.#worker.on('message', (answer: PackerAnswer) => this.#take(answer));
    this.#worker.on('error', (error) => this.#fail(error.message, undefined));
    this.#worker.on('exit', () => this.#fail('its thread ended', undefined));
  }

  #take(answer: PackerAnswer): void {
    if (answer.done === 'add') {
      this.#inFlight -= answer.raw;
      if (answer.pack === this.#pack) {
        this.#stored += answer.stored;
        this.#coming -= answer.raw;
      }
      if (answer.buffer.byteLength === this.#settings?.batchBytes) this.#free.push(answer.buffer);
    } else if (answer.done === 'seal') {
      this.#sealing.shift()?.resolve(answer.pack);
    } else if (answer.done === 'failed') {
      this.#fail(answer.message, answer.code);
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #fail(message: string, code: string | undefined): void {
    this.#failure ??= new Failure(
      isDiskFull({ code }) ? 'staging_full' : 'internal',
      `A pack can't be written: ${message}.`,
    );
    for (const { reject } of this.#sealing.splice(0)) reject(this.#failure);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Whether it can't go on: every call fails from then on. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  #send(request: PackerRequest, transfer: ArrayBuffer[] = []): void {
    if (this.#failure) throw this.#failure;
    this.#worker.postMessage(request, transfer);
  }

  /** Begins a pack that will be `path`. */
  open(path: string, settings: FrameSettings): void {
    if (this.#settings?.batchBytes !== settings.batchBytes) this.#free.length = 0;
    this.#settings = settings;
    this.#pack++;
    this.#stored = 0;
    this.#coming = 0;
    this.#send({ do: 'open', path, settings });
  }

  /** A buffer of batchBytes for the next frames, when there is room for one on the way. */
  async buffer(): Promise<ArrayBuffer> {
    const most = BATCHES_ON_THE_WAY * this.#settings!.batchBytes;
    while (this.#inFlight >= most && !this.#failure) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    if (this.#failure) throw this.#failure;
    return this.#free.pop() ?? new ArrayBuffer(this.#settings!.batchBytes);
  }

  /** Appends the first `length` bytes of a buffer from buffer() as frames; the buffer is no longer the caller's. */
  add(buffer: ArrayBuffer, length: number, pieces: Uint8Array | undefined): void {
    this.#inFlight += length;
    this.#coming += length;
    this.#send({ do: 'add', pack: this.#pack, buffer, length, pieces }, [buffer]);
  }

  /** Bytes of the pack so far, what is on its way counted raw. */
  get bytes(): number {
    return this.#stored + this.#coming;
  }

  /** The pack, on the disk under its name. Failure `staging_full` where there is no room for it. */
  seal(): Promise<SealedPack> {
    // First, since it throws after a failure: then nobody would hear of a promise that is rejected.
    this.#send({ do: 'seal' });
    return new Promise<SealedPack>((resolve, reject) => {
      this.#sealing.push({ resolve, reject });
    });
  }

  /** Throws the open pack away, if there is one; what is still on its way to it too. */
  abandon(): void {
    if (!this.#failure) this.#send({ do: 'abandon' });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
