// A plain file sent by any tus client becomes a version: one raw pack, one extent, hashed in one read, with a receipt.
import { COARSE, coarseCount, coarseLength } from '../../shared/block.ts';
import { toHex } from '../../shared/byte-codec.ts';
import type { SourceKind } from '../../shared/protocol.ts';
import { parseStoreHeader } from '../../shared/store-header.ts';
import type { ReadPack } from '../pack/pack-reader.ts';
import { sha256, startSha256 } from '../sha256.ts';
import type { CheckedVersion } from '../version/accept-version.ts';
import {
  type MapPage,
  PAGE_BYTES,
  pageCount,
  pageLength,
  pageRoot,
  rootOfPages,
} from '../version/version-map.ts';
import type { UploadPlan } from './upload-plan.ts';

/** One read from the disk; a multiple of a coarse block. */
const READ_BYTES = 1_048_576;
/** Enough for every header that store-header.ts knows. */
const HEADER_BYTES = 4_096;

export interface HashedFile {
  readonly size: number;
  /** SHA-256 of the whole, hexadecimal. */
  readonly sha256: string;
  /** 32 bytes for each coarse block. */
  readonly coarse: Uint8Array;
  /** The first bytes. */
  readonly head: Uint8Array;
}

/** Reads `size` bytes once. Memory: 1 MiB and 32 bytes for every 64 KiB. */
export async function hashFile(read: ReadPack, size: number): Promise<HashedFile> {
  const coarse = new Uint8Array(32 * coarseCount(size));
  const whole = startSha256();
  const buffer = new Uint8Array(Math.min(READ_BYTES, size));
  let head = new Uint8Array(0);
  for (let at = 0; at < size; at += READ_BYTES) {
    const piece = buffer.subarray(0, Math.min(READ_BYTES, size - at));
    await read(at, piece);
    whole.update(piece);
    if (at === 0) head = piece.slice(0, HEADER_BYTES);
    for (let from = 0; from < piece.length; from += COARSE) {
      const index = (at + from) / COARSE;
      coarse.set(sha256(piece.subarray(from, from + coarseLength(index, size))), 32 * index);
    }
  }
  return { size, sha256: toHex(whole.digest()), coarse, head };
}

/** The version that a hashed file becomes. `packRow`: of the raw pack that holds its bytes. */
export function versionOfFile(
  upload: string,
  plan: Extract<UploadPlan, { kind: 'file' }>,
  file: HashedFile,
  packRow: number,
  takenAt: string,
): CheckedVersion {
  const pages = pagesOfFile(file, packRow);
  const header = parseStoreHeader(file.head, file.size);
  const commit = {
    path: plan.path,
    kind: kindOf(plan.path),
    base: null,
    complete: true,
    size: file.size,
    mtime: plan.mtime ?? takenAt,
    takenAt,
    sha256: file.sha256,
    root: toHex(
      rootOfPages(
        pages.map((page) => page.root),
        file.size,
        sha256,
      ),
    ),
    snapshot: 'upload' as const,
    health: header.verdict,
    healthNotes: header.reasons.slice(0, 20).map((note) => note.slice(0, 500)),
  };
  return {
    id: uuidOf(upload),
    commit,
    bodyHash: fileCommitHash(commit),
    source: { rawPack: file.sha256 },
    pages,
    upload,
  };
}

/** The map of a file that is all of one raw pack. */
export function pagesOfFile(
  file: HashedFile,
  packRow: number,
): { readonly root: Uint8Array; readonly page: MapPage }[] {
  const pages: { root: Uint8Array; page: MapPage }[] = [];
  for (let index = 0; index < pageCount(file.size); index++) {
    const length = pageLength(index, file.size);
    const first = (index * PAGE_BYTES) / COARSE;
    const hashes = file.coarse.subarray(32 * first, 32 * (first + coarseCount(length)));
    const page = { hashes, extents: [{ length, pack: String(packRow), offset: index * PAGE_BYTES }] };
    pages.push({ root: pageRoot(page, sha256), page });
  }
  return pages;
}

/** What a replay of the version of a file is told by: the hash of its commit as it is stored, keys in that order. */
export function fileCommitHash(commit: CheckedVersion['commit']): Uint8Array {
  return sha256(Buffer.from(JSON.stringify(commit)));
}

/** The kind that a path's ending names. */
export function kindOf(path: string): SourceKind {
  const ending = /\.(pst|ost|nk2)$/i.exec(path)?.[1]?.toLowerCase();
  return (ending as SourceKind | undefined) ?? 'file';
}

/** An upload's 128 random bits as a version-4 UUID: however often finishing is repeated, it is the same version. */
export function uuidOf(upload: string): string {
  const variant = '89ab'[Number.parseInt(upload[16]!, 16) & 3];
  const digits = `${upload.slice(0, 12)}4${upload.slice(13, 16)}${variant}${upload.slice(17)}`;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
