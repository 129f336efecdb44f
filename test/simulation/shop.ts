// The workshop of a simulated run: the real pack files, written by a worker that is an actor of the simulation.

import type { Workshop } from '../../client/backup/take-backup.ts';
import { deviceFailure } from '../../client/device-failure.ts';
import type { FrameSettings } from '../../client/pack/frame-settings.ts';
import { PackFile, type SealedPack, WRITE_BYTES } from '../../client/pack/pack-file.ts';
import type { PackWriter } from '../../client/pack/packer.ts';
import type { SlotHash } from '../../client/scan/whole-hash.ts';
import type { Failure } from '../../shared/failure.ts';
import { CODECS } from '../../shared/pack.ts';
import type { Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';

/** Frames as small as a compressor is quick with. */
const SETTINGS: FrameSettings = {
  rawBytes: 131_072,
  batchBytes: 262_144,
  codec: CODECS.brotli,
  level: 0,
  window: 16,
  worthwhile: 0.98,
  skipNoise: true,
  firstPackBytes: 1,
};
/** So many stored bytes that the series seals the pack (client/pack/pack-series.ts). */
const ENOUGH = 2 ** 30;

/** One for all: a pack is written from its opening to its seal before another is opened, and a death ends both. */
const buffer = new Uint8Array(WRITE_BYTES);

interface Surroundings {
  readonly scheduler: Scheduler;
  readonly life: Life;
  /** Asked for each pack at the end of each block: whether it is sealed now. */
  readonly seals: () => boolean;
  readonly notify: () => void;
}

class SimulatedPacker implements PackWriter {
  readonly #surroundings: Surroundings;
  #jobs: Promise<void> = Promise.resolve();
  /** It can't go on, as a worker that failed. */
  failure: Failure | undefined;
  #pack: PackFile | undefined;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** One thing after another, as the worker takes its messages. */
  #do<T>(job: () => T): Promise<T> {
    const { scheduler, life } = this.#surroundings;
    const done = this.#jobs.then(
      () =>
        new Promise<T>((resolve, reject) => {
          scheduler.plan(1, life, () => {
            try {
              if (this.failure) throw this.failure;
              resolve(job());
            } catch (error) {
              if (!life.alive) throw error;
              this.failure ??= deviceFailure(error);
              reject(this.failure);
            }
          });
        }),
    );
    this.#jobs = done.then(
      () => {},
      () => {},
    );
    done.catch(() => {});
    return done;
  }

  open(path: string): void {
    void this.#do(() => {
      this.#pack = new PackFile(path, buffer);
    });
  }

  async buffer(): Promise<ArrayBuffer> {
    return new ArrayBuffer(SETTINGS.batchBytes);
  }

  add(batch: ArrayBuffer, length: number): void {
    void this.#do(() => {
      for (let at = 0; at < length; at += SETTINGS.rawBytes) {
        const raw = new Uint8Array(batch, at, Math.min(SETTINGS.rawBytes, length - at));
        this.#pack!.add(raw, SETTINGS, undefined);
      }
    });
  }

  get bytes(): number {
    return this.#surroundings.seals() ? ENOUGH : 0;
  }

  seal(): Promise<SealedPack> {
    return this.#do(() => {
      const sealed = this.#pack!.seal();
      this.#pack = undefined;
      return sealed;
    });
  }

  abandon(): void {
    void this.#do(() => {
      this.#pack?.abandon();
      this.#pack = undefined;
    });
  }
}

export function simulatedWorkshop(
  surroundings: Surroundings,
  hash: SlotHash,
): Workshop & { close(): Promise<void> } {
  let packer = new SimulatedPacker(surroundings);
  const next = () => {
    if (packer.failure) packer = new SimulatedPacker(surroundings);
    return packer;
  };
  return { packer: next, hash: () => hash, notify: surroundings.notify, close: async () => {} };
}
