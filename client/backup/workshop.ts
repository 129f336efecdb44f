// The workers of a run, started when they are first needed, and replaced when they failed.
import { Packer } from '../pack/packer.ts';
import { InlineHash, type SlotHash, WorkerHash } from '../scan/whole-hash.ts';
import type { Sender } from '../upload/sender.ts';
import type { Workshop } from './take-backup.ts';

/** Sources this small are hashed where they are read: starting a worker would cost more. */
const INLINE_BYTES = 33_554_432;

export class RunWorkshop implements Workshop {
  readonly #sender: Sender;
  #packer: Packer | undefined;
  #worker: WorkerHash | undefined;
  readonly #inline = new InlineHash();

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  packer(): Packer {
    if (this.#packer?.failed) {
      void this.#packer.close();
      this.#packer = undefined;
    }
    if (!this.#packer) {
      this.#packer = new Packer();
      // While its thread starts.
      this.#sender.prepare();
    }
    return this.#packer;
  }

  hash(size: number): SlotHash {
    if (size < INLINE_BYTES) return this.#inline;
    if (this.#worker?.failed) this.#worker = undefined;
    this.#worker ??= new WorkerHash();
    return this.#worker;
  }

  notify(): void {
    this.#sender.notify();
  }

  async close(): Promise<void> {
    await this.#packer?.close();
    await this.#worker?.close();
  }
}
