// How map pages and lists of pages are stored: compact, and with a hash over each, since SQLite does not see bit rot.
import type { Sha256 } from '../../shared/block.ts';
import { ByteReader, ByteWriter, sameBytes } from '../../shared/byte-codec.ts';
import type { Extent } from '../../shared/extents.ts';
import { Failure } from '../../shared/failure.ts';
import { atOnce, STEP_ITEMS, type Steps } from '../../shared/steps.ts';
import type { MapPage } from './version-map.ts';

/*
 * Page (format 1), numbers as varints:
 *   01 | hashes: count, 32 bytes each | extents: count, then for each  length, row of the pack, offset | SHA-256 of all before
 *
 * Page list (format 1), one in each version:
 *   01 | size of the version | count, then for each  signed distance from the row before (+1), 32-byte root of the page
 *      | SHA-256 of all before
 */
const FORMAT = 1;

/** A page of a version: where it lies and what its hashes sum up to. */
export interface PageEntry {
  readonly row: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

export function encodePage(page: MapPage, sha256: Sha256): Uint8Array {
  const out = new ByteWriter()
    .byte(FORMAT)
    .varint(page.hashes.length / 32)
    .bytes(page.hashes)
    .varint(page.extents.length);
  for (const extent of page.extents) {
    out.varint(extent.length).varint(Number(extent.pack)).varint(extent.offset);
  }
  return out.bytes(sha256(out.view())).view().slice();
}

/** A Failure `pack_damaged` where the bytes are not what encodePage wrote. */
export function decodePage(bytes: Uint8Array, sha256: Sha256): MapPage {
  return checked(bytes, sha256, (reader) => {
    const hashes = reader.bytes(32 * reader.count(32));
    const extents: Extent[] = [];
    for (let left = reader.count(3); left > 0; left--) {
      extents.push({ length: reader.varint(), pack: String(reader.varint()), offset: reader.varint() });
    }
    return { hashes, extents };
  });
}

export function encodePageList(size: number, pages: readonly PageEntry[], sha256: Sha256): Uint8Array {
  const out = new ByteWriter().byte(FORMAT).varint(size).varint(pages.length);
  let next = 0;
  for (const { row, root } of pages) {
    out.signed(row - next).bytes(root);
    next = row + 1;
  }
  return out.bytes(sha256(out.view())).view().slice();
}

/** A Failure `pack_damaged` where the bytes are not what encodePageList wrote for a version of this size. */
export function decodePageList(bytes: Uint8Array, size: number, sha256: Sha256): PageEntry[] {
  return atOnce(pageListInSteps(bytes, size, sha256));
}

/** The same in steps. */
export function pageListInSteps(bytes: Uint8Array, size: number, sha256: Sha256): Steps<PageEntry[]> {
  return checkedInSteps(bytes, sha256, function* (reader) {
    if (reader.varint() !== size) throw new Failure('malformed', 'The list is of another size.');
    const pages: PageEntry[] = [];
    let next = 0;
    for (let left = reader.count(33); left > 0; left--) {
      const row = next + reader.signed();
      pages.push({ row, root: reader.bytes(32) });
      next = row + 1;
      if (left % STEP_ITEMS === 0) yield;
    }
    return pages;
  });
}

function checked<Result>(bytes: Uint8Array, sha256: Sha256, read: (reader: ByteReader) => Result): Result {
  return atOnce(
    // biome-ignore lint/correctness/useYield: it is one step
    checkedInSteps(bytes, sha256, function* (reader) {
      return read(reader);
    }),
  );
}

function* checkedInSteps<Result>(
  bytes: Uint8Array,
  sha256: Sha256,
  read: (reader: ByteReader) => Steps<Result>,
): Steps<Result> {
  const end = bytes.length - 32;
  try {
    if (end < 1 || bytes[0] !== FORMAT || !sameBytes(sha256(bytes.subarray(0, end)), bytes.subarray(end))) {
      throw new Failure('malformed', 'The hash does not match.');
    }
    const reader = new ByteReader(bytes.subarray(1, end));
    const result = yield* read(reader);
    reader.end();
    return result;
  } catch (cause) {
    throw new Failure('pack_damaged', 'A part of the map of a version is damaged on the server.', { cause });
  }
}
