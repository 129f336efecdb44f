// Reads a version back: its pages by need, its bytes through the extents, and every coarse block checked before it is given.
import { COARSE, coarseCount, coarseLength } from '../../shared/block.ts';
import { fromHex, sameBytes } from '../../shared/byte-codec.ts';
import { collectSoon } from '../../shared/collect-soon.ts';
import { type Extent, slice } from '../../shared/extents.ts';
import { Failure } from '../../shared/failure.ts';
import type { Steps } from '../../shared/steps.ts';
import { BoundedCache } from '../bounded-cache.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import type { PackRow } from '../catalogue/pack-rows.ts';
import { lostBlocks } from '../healing/damage.ts';
import { inTurns } from '../in-turns.ts';
import { DueFrames, type PackReader } from '../pack/pack-reader.ts';
import { sha256 } from '../sha256.ts';
import { decodePage, type PageEntry, pageListInSteps } from './page-codec.ts';
import { ReadAhead, type ReadAheadLimits } from './read-ahead.ts';
import { type MapPage, PAGE_BLOCKS, pageCount, pageRoot, rootOfPagesInSteps } from './version-map.ts';

/** What has to be known of a version to read it. */
export interface StoredMap {
  readonly size: number;
  /** Hexadecimal. */
  readonly root: string;
  readonly pages: Uint8Array;
}

/** A map, and how many of its blocks are lost. */
export interface DamagedMap extends StoredMap {
  readonly damaged: number;
}

/** The pages of a version, checked against its root; a Failure `pack_damaged` where the list does not lead to it. */
export function* openMap(map: StoredMap): Steps<PageEntry[]> {
  const entries = yield* pageListInSteps(map.pages, map.size, sha256);
  const roots = entries.map((entry) => entry.root);
  const root = yield* rootOfPagesInSteps(roots, map.size, sha256);
  if (entries.length !== pageCount(map.size) || !sameBytes(root, fromHex(map.root))) {
    throw new Failure('pack_damaged', 'The map of a version does not lead to its root.');
  }
  return entries;
}

/** Reads versions of one device. */
export class VersionReader {
  readonly #catalogue: DeviceCatalogue;
  readonly #packs: PackReader;
  /** Rows of packs seen so far: they change only where a lost one comes back. */
  readonly #rows = new Map<string, PackRow>();
  readonly #ahead = new ReadAhead(BLOCKS_AHEAD);
  /** By the hashes that end them: what has the same hash says the same. */
  readonly #maps = new BoundedCache<PageEntry[]>(MAPS_KEPT, (entries) => entries.length);
  readonly #pages = new BoundedCache<MapPage>(PAGES_KEPT, (page) => page.extents.length + PAGE_BLOCKS);

  constructor(catalogue: DeviceCatalogue, packs: PackReader) {
    this.#catalogue = catalogue;
    this.#packs = packs;
  }

  /** The pages asked for, each checked against the root its version has for it, in the order asked. */
  async pages(entries: readonly PageEntry[]): Promise<MapPage[]> {
    const stored = await this.#catalogue.pages.get(entries.map((entry) => entry.row));
    const pages: MapPage[] = [];
    for (const { row, root } of entries) {
      const bytes = stored.get(row);
      const page = bytes && (await this.#pages.get(endOf(bytes), async () => decodePage(bytes, sha256)));
      if (!page || !sameBytes(pageRoot(page, sha256), root)) {
        throw new Failure('pack_damaged', 'A part of the map of a version is missing or another one.');
      }
      pages.push(page);
    }
    return pages;
  }

  /** As openMap(), which of a version that is read piece by piece is done once. */
  open(map: StoredMap): Promise<PageEntry[]> {
    return this.#maps.get(`${map.root} ${map.size} ${endOf(map.pages)}`, () => inTurns(openMap(map)));
  }

  /** Fills `into` with the bytes that `extents` name, in order. Nothing is compared here. */
  async fill(extents: readonly Extent[], into: Uint8Array): Promise<void> {
    let done = 0;
    for (const { pack, offset, length } of extents) {
      await this.#packs.read(
        this.#catalogue.device,
        await this.pack(pack),
        offset,
        into.subarray(done, done + length),
      );
      done += length;
    }
    if (done !== into.length) throw new Failure('pack_damaged', 'The map of a version has a gap.');
  }

  /** Looks whether a pack under these extents is damaged, as far as its frames are `due`, and says so by a Failure `pack_damaged`. */
  async checkPacks(extents: readonly Extent[], due = new DueFrames(Number.POSITIVE_INFINITY)): Promise<void> {
    for (const extent of extents) {
      if (due.isOver) return;
      await this.#packs.checkFrames(this.#catalogue.device, await this.pack(extent.pack), extent, due);
    }
  }

  /** Rows of packs are read anew: a pack that came back may have another length noted. */
  forgetPacks(): void {
    this.#rows.clear();
  }

  /** The pack that a map names by its row. */
  async pack(row: string): Promise<PackRow> {
    const known = this.#rows.get(row) ?? (await this.#catalogue.packs.byRow(Number(row)));
    if (!known) throw new Failure('pack_damaged', 'The map of a version names a pack that is not there.');
    if (this.#rows.size > 4096) this.#rows.clear();
    this.#rows.set(row, known);
    return known;
  }

  /** The hashes of all coarse blocks of a version, page after page; zero where a block lies in one of the packs `lost`. */
  async *hashes(entries: readonly PageEntry[], lost: ReadonlySet<string>): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < entries.length; at += PAGES_AT_ONCE) {
      for (const page of await this.pages(entries.slice(at, at + PAGES_AT_ONCE))) {
        const blocks = lost.size > 0 ? lostBlocks(page, lost) : [];
        // A copy, which slice() of a Buffer is not: the page stays in the cache.
        const hashes = blocks.length > 0 ? new Uint8Array(page.hashes) : page.hashes;
        for (const block of blocks) hashes.fill(0, 32 * block, 32 * block + 32);
        yield hashes;
      }
    }
  }

  /** The rows, as maps name them, of the packs that a version may lack; none where it is whole. */
  async lostIn({ damaged }: Pick<DamagedMap, 'damaged'>): Promise<ReadonlySet<string>> {
    if (damaged === 0) return new Set();
    return new Set((await this.#catalogue.packs.lost()).map(({ row }) => String(row)));
  }

  /** A Failure `pack_damaged` where a block between bytes `from` and `to` of a version is known to be lost. */
  async assertThere(map: DamagedMap, from: number, to: number): Promise<void> {
    const lost = await this.lostIn(map);
    if (lost.size === 0 || from >= to) return;
    const first = Math.floor(from / COARSE);
    const last = Math.floor((to - 1) / COARSE);
    const entries = await this.open(map);
    for (let index = Math.floor(first / PAGE_BLOCKS); index <= Math.floor(last / PAGE_BLOCKS); index++) {
      const [page] = await this.pages([entries[index]!]);
      for (const block of lostBlocks(page!, lost)) {
        const at = index * PAGE_BLOCKS + block;
        if (at < first || at > last) continue;
        throw new Failure('pack_damaged', `The server has lost ${map.damaged} blocks of this version.`, {
          detail: { damaged: map.damaged, firstLost: at * COARSE },
        });
      }
    }
  }

  /**
   * Bytes `from` (inclusive) to `to` (exclusive) of a version, in pieces of at most a coarse block, each compared with
   * its hash before it is given out. Ends with a Failure `pack_damaged` rather than give a wrong byte.
   */
  async *bytes(map: StoredMap, from: number, to: number): AsyncGenerator<Uint8Array> {
    const first = Math.floor(from / COARSE);
    let start = first * COARSE;
    for await (const bytes of this.#ahead.over(this.#blocks(map, first, coarseCount(to)))) {
      yield bytes.subarray(Math.max(0, from - start), Math.min(bytes.length, to - start));
      start += COARSE;
      // Of what was given out before, which the reader is done with.
      collectSoon(bytes.length);
    }
  }

  /** What reads the coarse blocks `first` (inclusive) to `end` (exclusive) of a version, one after another. */
  async *#blocks(map: StoredMap, first: number, end: number): AsyncGenerator<() => Promise<Uint8Array>> {
    const entries = await this.open(map);
    let page: MapPage | undefined;
    for (let block = first; block < end; block++) {
      const index = block % PAGE_BLOCKS;
      if (!page || index === 0) [page] = await this.pages([entries[Math.floor(block / PAGE_BLOCKS)]!]);
      const here = page!;
      yield () => this.#block(here, index, coarseLength(block, map.size));
    }
  }

  async #block(page: MapPage, index: number, length: number): Promise<Uint8Array> {
    const extents = slice(page.extents, index * COARSE, index * COARSE + length);
    const bytes = new Uint8Array(length);
    await this.fill(extents, bytes);
    if (!sameBytes(sha256(bytes), page.hashes.subarray(32 * index, 32 * index + 32))) {
      const packs = await Promise.all(extents.map(async ({ pack }) => (await this.pack(pack)).id));
      throw new Failure('pack_damaged', 'A block of a version is not what it was when it was taken.', {
        detail: { packs: [...new Set(packs)] },
      });
    }
    return bytes;
  }
}

/** Pages of opened maps that are kept for a device, at some 100 bytes each: of 64 GiB. */
const MAPS_KEPT = 65_536;
/** Extents of pages that are kept for a device, at some 100 bytes each. */
const PAGES_KEPT = 32_768;

/** The hash that ends a page or a list of pages (page-codec.ts). */
function endOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(Math.max(0, bytes.length - 32))).toString('latin1');
}

const PAGES_AT_ONCE = 64;
/**
 * Blocks of versions under way at once: the disk and the decoder work while the network sends. Who doesn't read what it asked for
 * holds its own.
 */
const BLOCKS_AHEAD: ReadAheadLimits = { each: 4, ofAll: 16 };
