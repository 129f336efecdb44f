// The packs of one backup, one after another: runs go in, sealed packs come out in order, each with the runs it holds.
import { COARSE } from '../../shared/block.ts';
import { MAX_RUNS } from '../../shared/change-list.ts';
import { addRun, type SourceRun } from '../backup/run-list.ts';
import type { FrameSettings } from './frame-settings.ts';
import type { SealedPack } from './pack-file.ts';
import type { PackWriter } from './packer.ts';

/**
 * A pack is sealed at about this many stored bytes: the unit that is lost when a process dies in mid-read, and that the server
 * checks while the next is on its way.
 */
const SEAL_AT_STORED = 16 * 1_048_576;
/** ... or at this many raw bytes: what compresses to nothing must be sealed some time too. */
const SEAL_AT_RAW = 128 * 1_048_576;
/** Of the bytes of the source that are left, the largest pack that is begun: towards the end packs get smaller again ... */
const LARGEST_SHARE_OF_REST = 1 / 4;
/** ... down to so many times the first pack. What the server has to check once all is read keeps everybody waiting. */
const LEAST_IN_FIRSTS = 2;

/**
 * What one backup takes before it is to end as a checkpoint, from which the next goes on: half of the runs that a change list may
 * have, and the hashes of as many coarse blocks as leave a commit well within MAX_COMMIT_BYTES (34 bytes each, before base64).
 */
export const COMMIT_ROOM: CommitRoom = { runs: MAX_RUNS / 2, blocks: 4_194_304 };

interface CommitRoom {
  readonly runs: number;
  /** Coarse blocks that the runs touch. */
  readonly blocks: number;
}

export interface SealedRuns {
  readonly number: number;
  readonly pack: SealedPack;
  readonly runs: readonly SourceRun[];
  /** Coarse blocks of the source whose changes lie in this pack and those before it. */
  readonly through: number;
}

interface OpenBatch {
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  /** Raw bytes so far. */
  length: number;
  /** SHA-256 of its 64 KiB pieces; of use while `whole`: all of it is whole coarse blocks of known hash. */
  readonly pieces: Uint8Array;
  whole: boolean;
}

export class PackSeries {
  readonly #packer: PackWriter;
  readonly #settings: FrameSettings;
  readonly #size: number;
  readonly #pathOf: (number: number) => string;
  readonly #onSealed: (sealed: SealedRuns) => Promise<void>;
  readonly #commitRoom: CommitRoom;
  /** Of the packs that are sealed. */
  #sealedRuns = 0;
  /** Coarse blocks touched, and the last of them. */
  #blocks = 0;
  #lastBlock = -1;
  #number = 0;
  #open = false;
  #raw = 0;
  #runs: SourceRun[] = [];
  #batch: OpenBatch | undefined;
  #sealing: Promise<void> = Promise.resolve();
  #failed: unknown;

  constructor(options: {
    packer: PackWriter;
    settings: FrameSettings;
    /** Bytes of the source. */
    size: number;
    pathOf: (number: number) => string;
    /** Called for one pack after another. */
    onSealed: (sealed: SealedRuns) => Promise<void>;
    commitRoom?: CommitRoom;
  }) {
    this.#packer = options.packer;
    this.#settings = options.settings;
    this.#size = options.size;
    this.#pathOf = options.pathOf;
    this.#onSealed = options.onSealed;
    this.#commitRoom = options.commitRoom ?? COMMIT_ROOM;
  }

  /** Whether there is as much in all its packs as one commit can tell: the backup has to end here, as a checkpoint. */
  get full(): boolean {
    const { runs, blocks } = this.#commitRoom;
    return this.#sealedRuns + this.#runs.length >= runs || this.#blocks >= blocks;
  }

  /** Appends bytes that lie at `at` in the source. `hash`: their SHA-256, where they are a whole coarse block. */
  async add(at: number, bytes: Uint8Array, hash?: Uint8Array): Promise<void> {
    if (this.#failed) throw this.#failed;
    if (!this.#open) {
      this.#packer.open(this.#pathOf(this.#number), this.#settings);
      this.#open = true;
    }
    addRun(this.#runs, at, bytes.length);
    this.#countBlocks(at, bytes.length);
    this.#raw += bytes.length;
    for (let from = 0; from < bytes.length; ) {
      const batch = await this.#room();
      const part = bytes.subarray(from, from + this.#settings.batchBytes - batch.length);
      const aligned = batch.whole && hash !== undefined && part.length === COARSE && bytes.length === COARSE;
      if (aligned) batch.pieces.set(hash, (batch.length / COARSE) * 32);
      batch.whole = aligned;
      batch.bytes.set(part, batch.length);
      batch.length += part.length;
      from += part.length;
      if (batch.length === this.#settings.batchBytes) this.#endBatch();
    }
  }

  #countBlocks(at: number, length: number): void {
    const first = Math.max(Math.floor(at / COARSE), this.#lastBlock + 1);
    this.#lastBlock = Math.max(this.#lastBlock, Math.floor((at + length - 1) / COARSE));
    this.#blocks += this.#lastBlock - first + 1;
  }

  async #room(): Promise<OpenBatch> {
    if (!this.#batch) {
      const buffer = await this.#packer.buffer();
      const pieces = new Uint8Array((this.#settings.batchBytes / COARSE) * 32);
      this.#batch = { buffer, bytes: new Uint8Array(buffer), length: 0, pieces, whole: true };
    }
    return this.#batch;
  }

  #endBatch(): void {
    const batch = this.#batch;
    if (!batch || batch.length === 0) return;
    const pieces = batch.whole ? batch.pieces.subarray(0, (batch.length / COARSE) * 32) : undefined;
    this.#packer.add(batch.buffer, batch.length, pieces);
    this.#batch = undefined;
  }

  /** Says that all changes of the first `through` coarse blocks were added: packs are sealed only at such places. */
  blocksDone(through: number): void {
    const stored = this.#packer.bytes + (this.#batch?.length ?? 0);
    if (this.#open && (stored >= this.#enough(through) || this.#raw >= SEAL_AT_RAW)) this.#seal(through);
  }

  /** Stored bytes at which a pack is sealed where the first `through` coarse blocks were read. */
  #enough(through: number): number {
    const { firstPackBytes } = this.#settings;
    const rest = (this.#size - through * COARSE) * LARGEST_SHARE_OF_REST;
    const ending = Math.max(firstPackBytes * LEAST_IN_FIRSTS, rest);
    return Math.min(SEAL_AT_STORED, firstPackBytes * 2 ** this.#number, ending);
  }

  #seal(through: number): void {
    this.#endBatch();
    const runs = this.#runs;
    const number = this.#number++;
    this.#sealedRuns += runs.length;
    this.#runs = [];
    this.#raw = 0;
    this.#open = false;
    const sealed = this.#packer.seal();
    this.#sealing = this.#sealing.then(async () =>
      this.#onSealed({ number, pack: await sealed, runs, through }),
    );
    // Kept for the next add() and for finish(): a failure must not be an unhandled one while the reader is elsewhere.
    this.#sealing.catch((error) => {
      this.#failed ??= error;
    });
    sealed.catch(() => {});
  }

  /** Seals what is open, waits for every pack, and tells how many there are. */
  async finish(through: number): Promise<number> {
    if (this.#open) this.#seal(through);
    await this.#sealing;
    return this.#number;
  }

  /** Throws the open pack away, and waits for those that are being sealed. */
  async abandon(): Promise<void> {
    if (this.#open) this.#packer.abandon();
    this.#open = false;
    this.#batch = undefined;
    await this.#sealing.catch(() => {});
  }
}
