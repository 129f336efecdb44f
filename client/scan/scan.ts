// One read of a source: what changed since its base goes into packs, and a new fingerprint, root and SHA-256 come of it.
import { COARSE, coarseCount, coarseLength } from '../../shared/block.ts';
import { sameBytes } from '../../shared/byte-codec.ts';
import { Failure } from '../../shared/failure.ts';
import {
  changedRuns,
  isComplete,
  RECORD_BYTES,
  recordAt,
  TAG_BYTES,
  wholeBlock,
} from '../../shared/fingerprint.ts';
import { MerkleSum } from '../../shared/merkle.ts';
import type { OpenFile } from '../far/file-asks.ts';
import type { BlockHashes } from '../fingerprint/block-hashes.ts';
import { BATCH, type FingerprintReader, type FingerprintWriter } from '../fingerprint/fingerprint-file.ts';
import { readFailure } from './read-failure.ts';
import { SLOT_BYTES, type Slot, type SlotHash } from './whole-hash.ts';

export interface ScanJob {
  readonly file: OpenFile;
  /** For messages. */
  readonly path: string;
  /** Bytes of the source. */
  readonly size: number;
  readonly base: { readonly records: FingerprintReader; readonly size: number } | null;
  readonly hashes: BlockHashes;
  readonly whole: SlotHash;
  readonly draft: FingerprintWriter;
  /** Takes changed bytes in the order of the source. */
  readonly packs: {
    add(at: number, bytes: Uint8Array, hash?: Uint8Array): Promise<void>;
    blocksDone(through: number): void;
  };
  /** Asked between pieces; true ends the scan early. */
  readonly stop: () => boolean;
  readonly onProgress: (bytes: number) => void;
}

export interface ScanResult {
  /** False: stopped early; hash and root are then of no use. */
  readonly complete: boolean;
  /** Coarse blocks read. */
  readonly through: number;
  readonly sha256: string;
  readonly root: Uint8Array;
  /** Bytes that differ from the base. */
  readonly changed: number;
}

/** Reads ahead this many slots. */
const AHEAD = 2;

/**
 * Reads `size` bytes once, from the beginning. Memory is a few slots, whatever the size. Failures: `source_unreadable`,
 * `source_locked`, `source_changed` (the file ended early), and those of the packs.
 */
export async function scan(job: ScanJob): Promise<ScanResult> {
  const { size, hashes } = job;
  const blocks = coarseCount(size);
  const sum = new MerkleSum(hashes.sha256);
  const draft = new Uint8Array(BATCH * RECORD_BYTES);
  let changed = 0;
  let through = 0;
  job.whole.begin();
  for await (const { slot, length, records } of pieces(job)) {
    try {
      for (let from = 0; from < length; from += COARSE, through++) {
        const block = slot.subarray(from, Math.min(length, from + COARSE));
        const index = through % BATCH;
        const record = index * RECORD_BYTES;
        const comparable = record < records.length && coarseLength(through, job.base!.size) === block.length;
        const tag = hashes.tag(block);
        if (comparable && startsWith(records, record, tag)) {
          draft.set(records.subarray(record, record + RECORD_BYTES), record);
        } else {
          const before = comparable ? recordAt(records, index) : null;
          const out = recordAt(draft, index);
          out.tag.set(tag);
          changed += await takeBlock(job, { block, at: through * COARSE, before, out });
        }
        sum.push(draft.subarray(record + TAG_BYTES, record + TAG_BYTES + 32));
        job.packs.blocksDone(through + 1);
      }
    } catch (error) {
      job.whole.release(slot);
      throw error;
    }
    job.whole.update(slot, length);
    await job.draft.append(draft.subarray(0, Math.ceil(length / COARSE) * RECORD_BYTES));
    job.onProgress(Math.min(size, through * COARSE));
    if (job.stop() && through < blocks)
      return { complete: false, through, sha256: '', root: new Uint8Array(0), changed };
  }
  return { complete: true, through, sha256: await job.whole.digest(), root: sum.root(), changed };
}

type Record = ReturnType<typeof recordAt>;

/** Whether `bytes` at `at` begin with `start`. */
function startsWith(bytes: Uint8Array, at: number, start: Uint8Array): boolean {
  for (let i = 0; i < start.length; i++) if (bytes[at + i] !== start[i]) return false;
  return true;
}

/** Writes the record of a block that may have changed and sends on what did; the bytes that changed. */
async function takeBlock(
  job: ScanJob,
  { block, at, before, out }: { block: Uint8Array; at: number; before: Record | null; out: Record },
): Promise<number> {
  const hash = job.hashes.sha256(block);
  out.sha256.set(hash);
  out.fine.fill(0).set(job.hashes.fine(block));
  if (before && sameBytes(hash, before.sha256)) return 0;
  const runs =
    before && isComplete(before)
      ? changedRuns(before.fine, out.fine, block.length)
      : wholeBlock(block.length);
  let changed = 0;
  for (const run of runs) {
    const whole = run.to - run.from === COARSE;
    await job.packs.add(at + run.from, block.subarray(run.from, run.to), whole ? hash : undefined);
    changed += run.to - run.from;
  }
  return changed;
}

interface Piece {
  readonly slot: Slot;
  readonly length: number;
  /** The base's records of the same blocks; fewer where the base ends. */
  readonly records: Uint8Array;
}

/** The source piece by piece, read ahead, with the base's records in step. */
async function* pieces(job: ScanJob): AsyncGenerator<Piece> {
  const ahead: Promise<Piece>[] = [];
  let base: Promise<Uint8Array> = Promise.resolve(new Uint8Array(0));
  let at = 0;
  const readNext = (): void => {
    const from = at;
    at += SLOT_BYTES;
    base = base.then(async (): Promise<Uint8Array> => job.base?.records.next() ?? new Uint8Array(0));
    const records = base;
    // Heard of with the piece; but that may still wait for a slot, or fail itself.
    records.catch(() => {});
    const piece = readPiece(job, from).then(async (read) => {
      try {
        return { ...read, records: await records };
      } catch (error) {
        job.whole.release(read.slot);
        throw error;
      }
    });
    piece.catch(() => {});
    ahead.push(piece);
  };
  while (at < job.size && ahead.length < AHEAD) readNext();
  try {
    for (let next = ahead.shift(); next; next = ahead.shift()) {
      const piece = await next;
      if (at < job.size) readNext();
      yield piece;
    }
  } finally {
    // A scan that ends early must leave its slots to the next one.
    for (const left of ahead) {
      const piece = await left.catch(() => null);
      if (piece) job.whole.release(piece.slot);
    }
  }
}

async function readPiece(job: ScanJob, from: number): Promise<{ slot: Slot; length: number }> {
  const slot = await job.whole.take();
  const length = Math.min(SLOT_BYTES, job.size - from);
  try {
    for (let done = 0; done < length; ) {
      const { bytesRead } = await job.file.read(slot, done, length - done, from + done).catch((cause) => {
        throw readFailure(job.path, from + done, cause);
      });
      if (bytesRead === 0)
        throw new Failure('source_changed', `${job.path} became shorter while it was read.`);
      done += bytesRead;
    }
    return { slot, length };
  } catch (error) {
    job.whole.release(slot);
    throw error;
  }
}
