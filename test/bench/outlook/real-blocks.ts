// Reads the data blocks of a real Unicode PST by walking its block B-tree; and finds the store that we splice from.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { deflateSync } from 'node:zlib';

/** Offsets of [MS-PST] 2.2.2.6 (header) and 2.2.2.7.7 (B-tree page), Unicode. */
const HEADER_VERSION = 10;
const HEADER_BBT_ROOT = 240;
const VERSION_UNICODE = 23;
const PAGE = 512;
const PAGE_COUNT = 488;
const PAGE_ENTRY_SIZE = 490;
const PAGE_LEVEL = 491;
const PAGE_TYPE = 496;
const PAGE_TYPE_BBT = 0x80;
/** A damaged tree may loop; a real one of 20-entry pages is never this deep. */
const DEEPEST = 6;
const INTERNAL_BLOCK = 2;
/** A block that deflate shortens less than this holds a picture or an archive: no text to splice. */
const TEXT_RATIO = 1.3;
const SMALLEST_TEXT = 512;

/** The payloads, as they are stored, of all data blocks that the tree lists. Throws unless the store is Unicode. */
export function readRealBlocks(store: Buffer): Buffer[] {
  if (store.subarray(0, 4).toString('latin1') !== '!BDN') throw new Error('not a PST');
  const version = store.readUInt16LE(HEADER_VERSION);
  if (version !== VERSION_UNICODE)
    throw new Error(`PST version ${version}: only ${VERSION_UNICODE} is read here`);
  const blocks: Buffer[] = [];
  walk(store, readOffset(store, HEADER_BBT_ROOT), 0, (payload) => blocks.push(payload));
  return blocks;
}

function walk(store: Buffer, at: number, depth: number, found: (payload: Buffer) => void): void {
  if (depth > DEEPEST || at + PAGE > store.length) return;
  const page = store.subarray(at, at + PAGE);
  const entrySize = page[PAGE_ENTRY_SIZE]!;
  if (page[PAGE_TYPE] !== PAGE_TYPE_BBT || entrySize === 0) return;
  for (let i = 0; i < page[PAGE_COUNT]!; i++) {
    const entry = i * entrySize;
    if (page[PAGE_LEVEL]! > 0) {
      walk(store, readOffset(page, entry + 16), depth + 1, found);
      continue;
    }
    const offset = readOffset(page, entry + 8);
    const length = page.readUInt16LE(entry + 16);
    const internal = (page[entry]! & INTERNAL_BLOCK) !== 0;
    if (!internal && offset + length <= store.length) found(store.subarray(offset, offset + length));
  }
}

function readOffset(from: Buffer, at: number): number {
  return from.readUInt32LE(at) + from.readUInt32LE(at + 4) * 0x1_0000_0000;
}

/**
 * Real text, in the encoding in which Outlook stores it (permuted, which leaves its compressibility as it is).
 *
 * It comes from enron.pst, the one Unicode store in the pst-extractor package; the two .ost beside it are of the
 * 4 KiB-page kind and hold mostly tables, nearly twice as compressible as mail. That leaves a pool of 1.7 MB in about
 * 390 blocks: small, so a compressor with a window of many megabytes finds the same pieces again all over the file,
 * more than it would in a real mailbox. It helps such a peer; the piece-wise shuffling (prose.ts) limits by how much.
 */
export function readTextPool(): Buffer {
  const seen = new Set<string>();
  const text = readRealBlocks(readFileSync(enronStore())).filter((block) => {
    if (block.length < SMALLEST_TEXT) return false;
    if (block.length / deflateSync(block, { level: 1 }).length <= TEXT_RATIO) return false;
    const content = block.toString('latin1');
    if (seen.has(content)) return false;
    seen.add(content);
    return true;
  });
  return Buffer.concat(text);
}

function enronStore(): string {
  const manifest = createRequire(import.meta.url).resolve('pst-extractor/package.json');
  return join(dirname(manifest), 'example', 'testdata', 'enron.pst');
}
