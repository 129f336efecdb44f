// Damaged packs: proven, moved aside, and what lay in them found again elsewhere or said to be lost.
import { COARSE } from '../../shared/block.ts';
import { toHex } from '../../shared/byte-codec.ts';
import { coalesce, type Extent, lengthOf, slice } from '../../shared/extents.ts';
import { Failure } from '../../shared/failure.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import type { PackRow } from '../catalogue/pack-rows.ts';
import { checkPack } from '../pack/check-pack.ts';
import { sha256, startSha256 } from '../sha256.ts';
import type { Vault } from '../vault/vault.ts';
import { decodePage, decodePageList, encodePage } from '../version/page-codec.ts';
import type { MapPage } from '../version/version-map.ts';

const READ_BYTES = 1_048_576;
/** Rows read from the catalogue at a time. */
const AT_ONCE = 200;

/** Whether a stored pack is, byte for byte, what its id says; every byte is read. Also where this program can't unfold it. */
export async function isWhole(vault: Vault, device: string, pack: PackRow): Promise<boolean> {
  return (await stateOf(vault, device, pack)) !== 'damaged';
}

/**
 * What a stored pack is, by every byte of it. `unreadable`: it is what its id says, so that nothing of it is damaged, but this program
 * does not unfold it, since the runtime lacks its codec or a newer server wrote it.
 */
export async function stateOf(
  vault: Vault,
  device: string,
  pack: PackRow,
): Promise<'whole' | 'unreadable' | 'damaged'> {
  if (await unfolds(vault, device, pack)) return 'whole';
  return pack.kind === 'pack' && (await hasItsHash(vault, device, pack)) ? 'unreadable' : 'damaged';
}

/** Whether a pack unfolds to what its index says, or a raw one has the hash that is its id. */
async function unfolds(vault: Vault, device: string, pack: PackRow): Promise<boolean> {
  try {
    if (pack.kind === 'pack') {
      await checkPack(
        (position, into) => vault.readPack(device, pack.id, position, into),
        pack.stored,
        pack.id,
      );
      return true;
    }
    return await hasItsHash(vault, device, pack);
  } catch (error) {
    // A runtime that lacks a codec fails in its own way; the hash of the file says what that means. A failing disk says nothing of it.
    if (isDamage(error) || !('syscall' in (error as object))) return false;
    throw error;
  }
}

async function hasItsHash(vault: Vault, device: string, pack: PackRow): Promise<boolean> {
  const hash = startSha256();
  const buffer = new Uint8Array(Math.min(READ_BYTES, pack.stored));
  try {
    for (let at = 0; at < pack.stored; at += READ_BYTES) {
      const piece = buffer.subarray(0, Math.min(READ_BYTES, pack.stored - at));
      await vault.readPack(device, pack.id, at, piece);
      hash.update(piece);
    }
    if (pack.stored === 0 && !(await vault.hasPack(device, pack.id))) return false;
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
  return toHex(hash.digest()) === pack.id;
}

/** A sector that can't be read is as lost as one that is wrong. */
function isDamage(error: unknown): boolean {
  if (error instanceof Failure) return error.code === 'pack_damaged' || error.code === 'pack_refused';
  return (error as NodeJS.ErrnoException).code === 'EIO';
}

/**
 * Takes a pack that is not whole out of use: the file is moved aside, then its rows say that it is lost. From then on it can be sent
 * again. In this order, so that a crash in between leaves a pack that is missing, and found to be, and never a damaged one that
 * would be taken for what is sent again. Both in one transaction, which is the turn of all processes that work on the catalogue: a commit
 * of another one ends before it, or sees the loss. Call recountDamage afterwards.
 */
export async function contain(vault: Vault, catalogue: DeviceCatalogue, id: string): Promise<void> {
  await catalogue.transaction(async (rows) => {
    // First, since a transaction takes its turn with what it writes; nobody sees it before the end.
    await rows.packs.lose(id);
    await vault.setAside(catalogue.device, id);
  });
}

/** The blocks of a page of a map that reach into a lost pack. */
export function lostBlocks(page: MapPage, lost: ReadonlySet<string>): number[] {
  const blocks: number[] = [];
  if (!page.extents.some(({ pack }) => lost.has(pack))) return blocks;
  for (let index = 0; index * 32 < page.hashes.length; index++) {
    if (extentsOf(page, index).some(({ pack }) => lost.has(pack))) blocks.push(index);
  }
  return blocks;
}

/**
 * Makes the maps of a device's versions right again after packs were lost or came back, or a version was added: a block in a lost
 * pack whose like lies in another one is read from there (its hash is the same, so no root changes), and of every version is noted
 * how many blocks it lacks. One at a time for a device: the caller sees to that. How many versions lack something.
 */
export async function recountDamage(catalogue: DeviceCatalogue): Promise<number> {
  const uncounted = await catalogue.uncounted();
  const damaged = await count(catalogue);
  await catalogue.counted(uncounted);
  return damaged;
}

/** As recountDamage, where packs were lost or came back and no count came after, such as in a crash. */
export async function recountWhereDue(catalogue: DeviceCatalogue): Promise<void> {
  if ((await catalogue.uncounted()) > 0) await recountDamage(catalogue);
}

async function count(catalogue: DeviceCatalogue): Promise<number> {
  const lost = new Set((await catalogue.packs.lost()).map(({ row }) => String(row)));
  if (lost.size === 0) {
    await catalogue.versions.clearDamage();
    return 0;
  }
  const broken = new Map<number, number[]>();
  const like = new Map<string, readonly Extent[] | undefined>();
  for await (const { row, page } of pagesOf(catalogue)) {
    const blocks = lostBlocks(page, lost);
    if (blocks.length > 0) broken.set(row, blocks);
    for (const block of blocks) like.set(hashOf(page, block), undefined);
  }
  if (broken.size > 0) await findAlike(catalogue, lost, like);
  await mend(catalogue, broken, like);
  return countVersions(catalogue, broken);
}

/** Fills in where each block that is wanted lies whole. */
async function findAlike(
  catalogue: DeviceCatalogue,
  lost: ReadonlySet<string>,
  like: Map<string, readonly Extent[] | undefined>,
): Promise<void> {
  for await (const { page } of pagesOf(catalogue)) {
    for (let block = 0; block * 32 < page.hashes.length; block++) {
      const hash = hashOf(page, block);
      if (!like.has(hash) || like.get(hash)) continue;
      const extents = extentsOf(page, block);
      if (!extents.some(({ pack }) => lost.has(pack))) like.set(hash, extents);
    }
  }
}

/** Rewrites the pages of which a block was found elsewhere; what stays broken stays in `broken`. */
async function mend(
  catalogue: DeviceCatalogue,
  broken: Map<number, number[]>,
  like: ReadonlyMap<string, readonly Extent[] | undefined>,
): Promise<void> {
  for (const [row, blocks] of [...broken]) {
    const bytes = (await catalogue.pages.get([row])).get(row)!;
    const page = decodePage(bytes, sha256);
    const mendable = new Set(blocks.filter((block) => like.get(hashOf(page, block))));
    if (mendable.size === 0) continue;
    const extents: Extent[] = [];
    for (let block = 0; block * 32 < page.hashes.length; block++) {
      extents.push(...(mendable.has(block) ? like.get(hashOf(page, block))! : extentsOf(page, block)));
    }
    await catalogue.pages.replace(
      row,
      encodePage({ hashes: page.hashes, extents: coalesce(extents) }, sha256),
    );
    const left = blocks.filter((block) => !mendable.has(block));
    if (left.length > 0) broken.set(row, left);
    else broken.delete(row);
  }
}

async function countVersions(
  catalogue: DeviceCatalogue,
  broken: ReadonlyMap<number, readonly number[]>,
): Promise<number> {
  let damaged = 0;
  for (let after = 0; ; ) {
    const versions = await catalogue.versions.mapsAfter(after, AT_ONCE);
    for (const { sequence, size, pages, damaged: before } of versions) {
      let blocks = 0;
      if (broken.size > 0) {
        for (const { row } of decodePageList(pages, size, sha256)) blocks += broken.get(row)?.length ?? 0;
      }
      if (blocks !== before) await catalogue.versions.setDamaged(sequence, blocks);
      if (blocks > 0) damaged++;
      after = sequence;
    }
    if (versions.length < AT_ONCE) return damaged;
  }
}

/** All pages of a device. One that is itself damaged is passed over: it is found by whoever reads it. */
async function* pagesOf(catalogue: DeviceCatalogue): AsyncGenerator<{ row: number; page: MapPage }> {
  for (let after = 0; ; ) {
    const rows = await catalogue.pages.after(after, AT_ONCE);
    for (const { row, bytes } of rows) {
      after = row;
      let page: MapPage;
      try {
        page = decodePage(bytes, sha256);
      } catch {
        continue;
      }
      yield { row, page };
    }
    if (rows.length < AT_ONCE) return;
  }
}

function hashOf(page: MapPage, block: number): string {
  return toHex(page.hashes.subarray(32 * block, 32 * block + 32));
}

function extentsOf(page: MapPage, block: number): Extent[] {
  const to = Math.min((block + 1) * COARSE, lengthOf(page.extents));
  return slice(page.extents, block * COARSE, to);
}
