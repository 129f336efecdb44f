// Data blocks: written once, never changed where they lie; a change is a new block and the old one's space retires.
//
//   up to 8,176 B data | zeros up to a multiple of 64 | length 2 | signature 2 | CRC-32 4 | block id 8
//
// Ids rise and are never used twice, so no two blocks of a store are equal even where their data are.
import { crc32 } from 'node:zlib';
import type { Chance } from './chance.ts';
import { putU64 } from './page.ts';
import { type Prose, ROW_BYTES } from './prose.ts';
import { SLOT, type Space } from './space.ts';
import type { StoreFile } from './store-file.ts';

export const BLOCK_DATA = 8176;
const TRAILER = 16;

export type Place = { readonly at: number; readonly length: number };

export class Blocks {
  readonly #file: StoreFile;
  readonly #space: Space;
  readonly #chance: Chance;
  readonly #prose: Prose;
  readonly places = new Map<number, Place>();
  /** Since the last commit: what the block tree must learn. */
  created: number[] = [];
  dropped: number[] = [];
  lastId = 0x100;

  constructor(file: StoreFile, space: Space, prose: Prose, chance: Chance) {
    this.#file = file;
    this.#space = space;
    this.#prose = prose;
    this.#chance = chance;
  }

  add(data: Buffer): number {
    const bytes = sizeOnDisk(data.length);
    const at = this.#space.place(bytes);
    this.lastId += 4;
    const id = this.lastId;
    const block = Buffer.alloc(bytes);
    data.copy(block);
    block.writeUInt16LE(data.length, bytes - 16);
    block.writeUInt16LE((at ^ id) & 0xffff, bytes - 14);
    block.writeUInt32LE(crc32(data), bytes - 12);
    putU64(block, bytes - 8, id);
    this.#file.write(at, block);
    this.places.set(id, { at, length: data.length });
    this.created.push(id);
    return id;
  }

  drop(id: number): void {
    const { at, length } = this.#place(id);
    this.places.delete(id);
    this.#space.retire(at, sizeOnDisk(length));
    this.dropped.push(id);
  }

  /** A successor in which runs of these lengths, at places that chance picks, say something else. */
  rewrite(id: number, edits: readonly number[]): number {
    const data = this.#read(id);
    for (const edit of edits) {
      const length = Math.min(edit, data.length);
      const at = this.#chance.whole(0, Math.max(1, data.length - length));
      this.#prose.text(length).copy(data, at);
    }
    return this.replace(id, data);
  }

  /** A successor with some more rows at its end; when they do not fit, one with a row changed. */
  grow(id: number, bytes: number): number {
    if (this.#place(id).length + bytes > BLOCK_DATA) return this.rewrite(id, [ROW_BYTES]);
    return this.replace(id, Buffer.concat([this.#read(id), this.#prose.rows(bytes)]));
  }

  replace(id: number, data: Buffer): number {
    const successor = this.add(data);
    this.drop(id);
    return successor;
  }

  /** Data of any length: as many blocks as it takes, and if that is several, one more (XBLOCK) that lists them. */
  addLong(data: Buffer): number[] {
    const ids: number[] = [];
    for (let at = 0; at < data.length; at += BLOCK_DATA)
      ids.push(this.add(data.subarray(at, at + BLOCK_DATA)));
    if (ids.length > 1) ids.push(this.add(blockList(ids, data.length)));
    return ids;
  }

  #read(id: number): Buffer {
    const { at, length } = this.#place(id);
    return this.#file.read(at, length);
  }

  #place(id: number): Place {
    const place = this.places.get(id);
    if (place === undefined) throw new Error(`no block ${id}`);
    return place;
  }
}

/** An XBLOCK lists at most 1,000 blocks; a longer list would have a tree above it, which is not modelled. */
const LONGEST_LIST = 1000;

export function blockList(ids: readonly number[], totalLength: number): Buffer {
  const listed = ids.slice(0, LONGEST_LIST);
  const list = Buffer.alloc(8 + listed.length * 8);
  list[0] = 1;
  list[1] = 1;
  list.writeUInt16LE(listed.length, 2);
  list.writeUInt32LE(totalLength, 4);
  for (const [i, id] of listed.entries()) putU64(list, 8 + i * 8, id);
  return list;
}

function sizeOnDisk(length: number): number {
  return Math.ceil((length + TRAILER) / SLOT) * SLOT;
}
