// The fingerprint finds every changed byte, block by block, and what it finds makes the new file out of the old one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COARSE, coarseCount, coarseLength, FINE, FINE_PER_COARSE } from '../../shared/block.ts';
import { sameBytes, toHex } from '../../shared/byte-codec.ts';
import { decodeChangeList, encodeChangeList } from '../../shared/change-list.ts';
import { type Extent, overlay, type PlacedExtent } from '../../shared/extents.ts';
import {
  changedRuns,
  FINE_HASH_BYTES,
  isComplete,
  RECORD_BYTES,
  type Run,
  recordAt,
  TAG_BYTES,
  wholeBlock,
} from '../../shared/fingerprint.ts';
import { merkleRoot } from '../../shared/merkle.ts';
import { joined } from './damage.ts';
import { sha256, sha256Hex } from './sha256.ts';

describe('a record', () => {
  it('is 560 bytes: tag, SHA-256, 64 fine hashes, one record after another', () => {
    expect([TAG_BYTES, FINE_HASH_BYTES, FINE_PER_COARSE, RECORD_BYTES]).toEqual([16, 8, 64, 560]);
    const bytes = Uint8Array.from({ length: 3 * RECORD_BYTES }, (_, i) => i % 251);
    for (const index of [0, 1, 2]) {
      const { tag, sha256: hash, fine } = recordAt(bytes, index);
      expect([tag.length, hash.length, fine.length]).toEqual([16, 32, 512]);
      expect(sameBytes(joined(tag, hash, fine), bytes.subarray(560 * index, 560 * (index + 1)))).toBe(true);
    }
  });

  it('is a view: what is written into it lies in the records', () => {
    const bytes = new Uint8Array(2 * RECORD_BYTES);
    recordAt(bytes, 1).fine.fill(7);
    expect(bytes.indexOf(7)).toBe(RECORD_BYTES + 48);
  });

  it('is complete when any byte of its tag is set, and not past the end of the records', () => {
    const bytes = new Uint8Array(RECORD_BYTES);
    recordAt(bytes, 0).sha256.fill(1);
    recordAt(bytes, 0).fine.fill(1);
    expect(isComplete(recordAt(bytes, 0))).toBe(false);
    expect(isComplete(recordAt(bytes, 1))).toBe(false);
    for (let i = 0; i < TAG_BYTES; i++) {
      const known = bytes.slice();
      known[i] = 1;
      expect(isComplete(recordAt(known, 0))).toBe(true);
    }
  });
});

/** Fine hashes that differ exactly where `changed` says so, each in one place only. */
function fineHashes(changed: readonly boolean[]): { before: Uint8Array; now: Uint8Array } {
  const before = Uint8Array.from({ length: 512 }, (_, i) => (i * 37) % 256);
  const now = before.slice();
  for (const [i, differs] of changed.entries()) {
    if (differs) now[i * FINE_HASH_BYTES + (i % FINE_HASH_BYTES)]! ^= 1 << (i % 8);
  }
  return { before, now };
}

describe('changedRuns', () => {
  const changes = fc.array(fc.boolean(), { minLength: FINE_PER_COARSE, maxLength: FINE_PER_COARSE });
  const length = fc.oneof(
    fc.integer({ min: 1, max: COARSE }),
    fc.integer({ min: 1, max: FINE_PER_COARSE }).chain((blocks) => {
      return fc.integer({ min: -1, max: 1 }).map((near) => Math.min(COARSE, blocks * FINE + near));
    }),
  );

  it('covers exactly the fine blocks that differ; the whole block where none does', () => {
    fc.assert(
      fc.property(changes, length, (changed, size) => {
        const { before, now } = fineHashes(changed);
        const runs = changedRuns(before, now, size);
        const inside = changed.slice(0, Math.ceil(size / FINE));
        if (!inside.includes(true)) {
          expect(runs).toEqual([{ from: 0, to: size }]);
          return;
        }
        for (const [i, differs] of inside.entries()) {
          const from = i * FINE;
          const to = Math.min(size, from + FINE);
          const covered = runs.filter((run) => run.from < to && run.to > from);
          expect(covered.length).toBe(differs ? 1 : 0);
          if (covered[0]) expect(covered[0].from <= from && covered[0].to >= to).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gives runs in order, apart from one another, none empty, none past the end', () => {
    fc.assert(
      fc.property(changes, length, (changed, size) => {
        const { before, now } = fineHashes(changed);
        let end = -1;
        for (const { from, to } of changedRuns(before, now, size)) {
          expect(from).toBeGreaterThan(end);
          expect(to).toBeGreaterThan(from);
          end = to;
        }
        expect(end).toBeLessThanOrEqual(size);
      }),
      { numRuns: 300 },
    );
  });

  it('looks at no fine hash past the end of a short block', () => {
    const { before, now } = fineHashes(Array.from({ length: 64 }, (_, i) => i === 0 || i > 1));
    expect(changedRuns(before, now, FINE + 1)).toEqual([{ from: 0, to: FINE }]);
  });

  it('sees the first and the last bit of every fine hash', () => {
    const before = new Uint8Array(512);
    for (let at = 0; at < 512; at++) {
      for (const bit of [1, 0x80]) {
        const now = before.slice();
        now[at] = bit;
        const index = Math.floor(at / FINE_HASH_BYTES);
        expect(changedRuns(before, now, COARSE)).toEqual([{ from: index * FINE, to: (index + 1) * FINE }]);
      }
    }
  });

  it('of a block without bytes is nothing', () => {
    expect(changedRuns(new Uint8Array(512), new Uint8Array(512), 0)).toEqual([]);
    expect(wholeBlock(0)).toEqual([]);
    expect(wholeBlock(1)).toEqual([{ from: 0, to: 1 }]);
    expect(wholeBlock(COARSE)).toEqual([{ from: 0, to: COARSE }]);
  });
});

describe('a backup in memory', () => {
  /** As the device does it, with SHA-256 in the place of the keyed hashes. */
  const blockOf = (file: Uint8Array, index: number) => file.subarray(index * COARSE, (index + 1) * COARSE);
  const fineOf = (block: Uint8Array): Uint8Array => {
    const fine = new Uint8Array(512);
    for (let i = 0; i * FINE < block.length; i++) {
      fine.set(sha256(block.subarray(i * FINE, (i + 1) * FINE)).subarray(0, 8), i * FINE_HASH_BYTES);
    }
    return fine;
  };
  const coarseHashes = (file: Uint8Array) =>
    joined(...Array.from({ length: coarseCount(file.length) }, (_, i) => sha256(blockOf(file, i))));

  function backUp(before: Uint8Array, now: Uint8Array) {
    const runs: Run[] = [];
    const coarse: { index: number; hash: Uint8Array }[] = [];
    for (let index = 0; index < coarseCount(now.length); index++) {
      const block = blockOf(now, index);
      const old = blockOf(before, index);
      const hash = sha256(block);
      if (sameBytes(hash, sha256(old))) continue;
      coarse.push({ index, hash });
      const sameSize = coarseLength(index, before.length) === block.length;
      const inBlock = sameSize
        ? changedRuns(fineOf(old), fineOf(block), block.length)
        : wholeBlock(block.length);
      for (const { from, to } of inBlock) runs.push({ from: index * COARSE + from, to: index * COARSE + to });
    }
    const pack = joined(...runs.map(({ from, to }) => now.subarray(from, to)));
    const id = sha256Hex(pack);
    let offset = 0;
    const placed: PlacedExtent[] = runs.map(({ from, to }) => {
      offset += to - from;
      return { at: from, length: to - from, pack: id, offset: offset - (to - from) };
    });
    return { id, pack, changes: encodeChangeList({ runs: placed, coarse }, sha256) };
  }

  type Edit = { kind: 'write' | 'truncate' | 'grow'; place: number; length: number; byte: number };
  const edit: fc.Arbitrary<Edit> = fc.record({
    kind: fc.constantFrom('write', 'write', 'write', 'truncate', 'grow'),
    place: fc.integer({ min: 0, max: 1_000 }),
    length: fc.oneof(fc.integer({ min: 1, max: 8_192 }), fc.constantFrom(512, FINE, COARSE, COARSE + 1)),
    byte: fc.nat(255),
  });
  const edited = (file: Uint8Array, edits: readonly Edit[]) => {
    let now = file;
    for (const { kind, place, length, byte } of edits) {
      const at = Math.floor((now.length * place) / 1_000);
      if (kind === 'grow') now = joined(now, new Uint8Array(length).fill(byte));
      else if (kind === 'truncate') now = now.slice(0, at);
      else {
        now = now.slice();
        now.fill(byte, at, at + length);
      }
    }
    return now;
  };

  it('makes the new file out of the old one and the pack, with the root the server works out', () => {
    const size = fc.oneof(fc.nat(200_000), fc.constantFrom(0, 1, FINE, COARSE, COARSE + 1, 3 * COARSE));
    fc.assert(
      fc.property(size, fc.array(fc.array(edit, { maxLength: 4 }), { maxLength: 3 }), (first, days) => {
        const packs = new Map<string, Uint8Array>();
        let before: Uint8Array = new Uint8Array(0);
        let extents: Extent[] = [];
        let hashes: Uint8Array = new Uint8Array(0);
        let now: Uint8Array = Uint8Array.from({ length: first }, (_, i) => (i * 7919) >> 5);
        for (const edits of [[], ...days]) {
          now = edited(now, edits);
          const sent = backUp(before, now);
          packs.set(sent.id, sent.pack);
          // From here on as the server: it has the change list, the packs and the version before.
          const { runs, coarse } = decodeChangeList(sent.changes, sha256);
          extents = overlay(extents, runs, now.length);
          const stored = joined(
            ...extents.map(({ pack, offset, length }) => packs.get(pack)!.subarray(offset, offset + length)),
          );
          expect(Buffer.compare(stored, now)).toBe(0);
          const grown = new Uint8Array(32 * coarseCount(now.length));
          grown.set(hashes.subarray(0, grown.length));
          for (const { index, hash } of coarse) grown.set(hash, 32 * index);
          hashes = grown;
          expect(toHex(merkleRoot(hashes, sha256))).toBe(toHex(merkleRoot(coarseHashes(now), sha256)));
          before = now;
        }
      }),
      { numRuns: 80 },
    );
  });

  it('sends the fine blocks that one byte touches, and no more', () => {
    const before = Uint8Array.from({ length: 5 * COARSE + 100 }, (_, i) => (i * 31) >> 3);
    const now = before.slice();
    for (const at of [0, 3 * FINE - 1, 3 * FINE, 2 * COARSE + 5, 5 * COARSE + 99]) now[at]! ^= 1;
    expect(backUp(before, now).pack.length).toBe(FINE + 2 * FINE + FINE + 100);
    expect(backUp(now, now).pack.length).toBe(0);
  });
});
