// The change list of a commit: which runs of a version are new, where they lie, and the new hashes of the coarse blocks touched.
import type { Sha256 } from './block.ts';
import { ByteReader, ByteWriter, fromHex, sameBytes, toHex } from './byte-codec.ts';
import type { PlacedExtent } from './extents.ts';
import { Failure } from './failure.ts';
import { atOnce, STEP_ITEMS, type Steps } from './steps.ts';

/*
 * Format 1, all numbers varints (byte-codec.ts), so that 3,000 scattered runs take some 20 KB:
 *
 *   "MFCL" 01 | packs: count, 32-byte ids | runs: count, then for each
 *                 gap   bytes from the end of the run before (or from 0)
 *                 length
 *                 pack  index into the ids
 *                 jump  signed distance from where the run before in the same pack ended (or from 0)
 *             | coarse: count, then for each  gap from the index after the one before, 32-byte SHA-256
 *             | SHA-256 of everything before it
 *
 * One list has one form: packs appear in the order of their first use, numbers are in their shortest form, and
 * nothing may follow the hash. So a flipped, missing or added byte is always seen.
 */
const MAGIC = Uint8Array.of(0x4d, 0x46, 0x43, 0x4c, 1);

/** Most runs in a list: what scattered changes all over 2 GiB come to at worst. A device with more commits them in two parts. */
export const MAX_RUNS = 1_048_576;

/** Most packs that a list names: of a first backup of 256 GiB at once in packs of 2 MiB, the smallest that a device makes for bulk. */
const MAX_PACKS = 131_072;

/**
 * Bytes of the longest list that travels inside the commit itself. A day's list has a few kilobytes to some 30 KB, and goes so with one
 * request less; what a broken line costs of such a commit is 90 KB at most. A longer list is an upload of its own, which is resumed.
 */
export const INLINE_CHANGE_LIST_BYTES = 65_536;
/** Bytes of the longest list there may be: what MAX_COMMIT_BYTES has room for in base64, hashes of some 380 GiB at once. */
export const MAX_CHANGE_LIST_BYTES = 201_326_592;
/** Bytes of the list that changes nothing. */
export const EMPTY_CHANGE_LIST_BYTES = MAGIC.length + 3 + 32;

export interface CoarseHash {
  readonly index: number;
  /** SHA-256 of the coarse block: 32 bytes. */
  readonly hash: Uint8Array;
}

/** Hashes of coarse blocks as bytes: those of 4 GiB, all new, take 2.6 MB so and five times that as objects. */
export class CoarseHashes implements Iterable<CoarseHash> {
  readonly #indices: Float64Array;
  readonly #hashes: Uint8Array;

  /** `indices` in rising order, and 32 bytes for each. */
  constructor(indices: Float64Array, hashes: Uint8Array) {
    this.#indices = indices;
    this.#hashes = hashes;
  }

  get length(): number {
    return this.#indices.length;
  }

  /** Index of the block at `position`; undefined past the end. */
  index(position: number): number | undefined {
    return this.#indices[position];
  }

  hash(position: number): Uint8Array {
    return this.#hashes.subarray(32 * position, 32 * position + 32);
  }

  /** Those from position `from` (inclusive) to `to` (exclusive). */
  slice(from: number, to: number): CoarseHashes {
    return new CoarseHashes(this.#indices.subarray(from, to), this.#hashes.subarray(32 * from, 32 * to));
  }

  *[Symbol.iterator](): Generator<CoarseHash> {
    for (const [position, index] of this.#indices.entries()) yield { index, hash: this.hash(position) };
  }
}

export interface ChangeList {
  /** In order, not overlapping, none empty. */
  readonly runs: readonly PlacedExtent[];
  readonly coarse: CoarseHashes;
}

/** What a coarse hash takes with the gap before it, as good as always. */
const COARSE_HASH_BYTES = 34;

/** What encodeChangeList takes. `coarse` in rising order of index. */
export interface ChangeSource {
  readonly runs: readonly PlacedExtent[];
  readonly coarse: Iterable<CoarseHash> & { readonly length: number };
}

export function encodeChangeList(list: ChangeSource, sha256: Sha256): Uint8Array {
  const packs = new Map<string, { index: number; next: number }>();
  const runs = new ByteWriter().varint(list.runs.length);
  let end = 0;
  for (const run of list.runs) {
    const pack = packs.get(run.pack) ?? { index: packs.size, next: 0 };
    packs.set(run.pack, pack);
    runs
      .varint(run.at - end)
      .varint(run.length)
      .varint(pack.index)
      .signed(run.offset - pack.next);
    pack.next = run.offset + run.length;
    end = run.at + run.length;
  }
  const capacity = runs.view().length + 32 * packs.size + COARSE_HASH_BYTES * list.coarse.length + 64;
  const out = new ByteWriter(capacity).bytes(MAGIC).varint(packs.size);
  for (const id of packs.keys()) out.bytes(fromHex(id));
  out.bytes(runs.view()).varint(list.coarse.length);
  let next = 0;
  for (const { index, hash } of list.coarse) {
    out.varint(index - next).bytes(hash);
    next = index + 1;
  }
  return out.bytes(sha256(out.view())).view();
}

/** The list in `bytes`; a Failure `malformed` where they are not exactly what encodeChangeList writes. */
export function decodeChangeList(bytes: Uint8Array, sha256: Sha256): ChangeList {
  // Its pieces are one after the other, and are hashed as what they are pieces of.
  const whole = bytes.subarray(0, Math.max(0, bytes.length - 32));
  return atOnce(changeListInSteps(bytes, () => ({ update: () => {}, digest: () => sha256(whole) })));
}

/** The same in steps. `start`: a SHA-256 that is fed piece by piece. */
export function* changeListInSteps(
  bytes: Uint8Array,
  start: () => { update(part: Uint8Array): unknown; digest(): Uint8Array },
): Steps<ChangeList> {
  const end = bytes.length - 32;
  if (end < MAGIC.length || !sameBytes(bytes.subarray(0, MAGIC.length), MAGIC)) {
    throw new Failure('malformed', 'This is not a change list of a known format.');
  }
  const sum = start();
  for (let at = 0; at < end; at += HASHED_AT_ONCE) {
    sum.update(bytes.subarray(at, Math.min(end, at + HASHED_AT_ONCE)));
    yield;
  }
  if (!sameBytes(sum.digest(), bytes.subarray(end))) {
    throw new Failure('malformed', 'The change list does not match its own hash.');
  }
  const reader = new ByteReader(bytes.subarray(MAGIC.length, end));
  const list = { runs: yield* readRuns(reader), coarse: yield* readCoarse(reader) };
  reader.end();
  return list;
}

/** A step of the hash: some milliseconds. */
const HASHED_AT_ONCE = 2_097_152;

function* readRuns(reader: ByteReader): Steps<PlacedExtent[]> {
  const named = reader.count(32);
  // Before a single one is looked at: each becomes a text.
  if (named > MAX_PACKS)
    throw new Failure(
      'malformed',
      `The change list names ${named} packs, more than the ${MAX_PACKS} allowed.`,
      { detail: { limit: MAX_PACKS } },
    );
  const packs: { readonly id: string; next: number }[] = [];
  while (packs.length < named) {
    if (packs.length % STEP_ITEMS === 0) yield;
    packs.push({ id: toHex(reader.bytes(32)), next: 0 });
  }
  if (new Set(packs.map((pack) => pack.id)).size !== packs.length) {
    throw new Failure('malformed', 'The change list names a pack twice.');
  }
  const runs: PlacedExtent[] = [];
  let end = 0;
  let used = 0;
  const count = reader.count(4);
  if (count > MAX_RUNS)
    throw new Failure('malformed', `The change list has ${count} runs, more than the ${MAX_RUNS} allowed.`, {
      detail: { limit: MAX_RUNS },
    });
  for (let left = count; left > 0; left--) {
    const at = end + reader.varint();
    const length = reader.varint();
    const index = reader.varint();
    const pack = packs[index];
    if (!pack || index > used || length === 0)
      throw new Failure('malformed', 'A run of the change list is out of range.');
    if (index === used) used++;
    const offset = pack.next + reader.signed();
    end = at + length;
    pack.next = offset + length;
    if (offset < 0 || !Number.isSafeInteger(end) || !Number.isSafeInteger(pack.next)) {
      throw new Failure('malformed', 'A run of the change list is out of range.');
    }
    runs.push({ at, length, pack: pack.id, offset });
    if (left % STEP_ITEMS === 0) yield;
  }
  if (used !== packs.length) throw new Failure('malformed', 'The change list names a pack it does not use.');
  return runs;
}

function* readCoarse(reader: ByteReader): Steps<CoarseHashes> {
  const count = reader.count(33);
  const indices = new Float64Array(count);
  const hashes = new Uint8Array(32 * count);
  let next = 0;
  for (let position = 0; position < count; position++) {
    const index = next + reader.varint();
    if (!Number.isSafeInteger(index)) throw new Failure('malformed', 'A block index is out of range.');
    indices[position] = index;
    hashes.set(reader.bytes(32), 32 * position);
    next = index + 1;
    if (position % STEP_ITEMS === 0) yield;
  }
  return new CoarseHashes(indices, hashes);
}
