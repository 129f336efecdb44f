// A folder's contents table: the rows, their strings and their index, of which every change rewrites a block each.
import { BLOCK_DATA, type Blocks, blockList } from './blocks.ts';
import type { Chance } from './chance.ts';
import { type Prose, ROW_BYTES } from './prose.ts';

const ROWS_PER_BLOCK = 40;
const STRINGS_PER_BLOCK = 20;
const ROWS_PER_INDEX_BLOCK = 1000;
const STRING_BYTES = 400;

export type Folder = {
  readonly nid: number;
  messages: number;
  rows: number[];
  heap: number[];
  index: number[];
  rowList: number;
  heapList: number;
  properties: number;
  subnodes: number;
  hierarchy: number;
};

export type TableWriter = { readonly blocks: Blocks; readonly prose: Prose; readonly chance: Chance };

export function writeFolder({ blocks, prose }: TableWriter, nid: number, messages: number): Folder {
  const rows = many(messages / ROWS_PER_BLOCK, () => blocks.add(prose.rows(BLOCK_DATA)));
  const heap = many(messages / STRINGS_PER_BLOCK, () => blocks.add(prose.rows(8100)));
  const index = many(messages / ROWS_PER_INDEX_BLOCK, () => blocks.add(prose.noise(8000)));
  return {
    nid,
    messages,
    rows,
    heap,
    index,
    rowList: blocks.add(blockList(rows, 0)),
    heapList: blocks.add(blockList([...heap, ...index], 0)),
    properties: blocks.add(prose.smallBlock(300, 700)),
    subnodes: blocks.add(prose.smallBlock(60, 200)),
    hierarchy: blocks.add(prose.smallBlock(2500, 4000)),
  };
}

/** A mail arrives: a row at the end of the table. */
export function addRow(writer: TableWriter, folder: Folder): void {
  const { blocks, prose } = writer;
  folder.messages++;
  if (folder.messages % ROWS_PER_BLOCK === 0) folder.rows.push(blocks.add(prose.rows(ROW_BYTES)));
  if (folder.messages % STRINGS_PER_BLOCK === 0) folder.heap.push(blocks.add(prose.rows(STRING_BYTES)));
  change(folder.rows, 1, (id) => blocks.grow(id, ROW_BYTES));
  change(folder.heap, 1, (id) => blocks.grow(id, STRING_BYTES));
  change(folder.index, 1, (id) => blocks.rewrite(id, [8, 8]));
  rewriteFrame(writer, folder);
}

/** A mail is read, flagged, moved or deleted: a row at that part (0 to 1) of the table changes. */
export function changeRow(writer: TableWriter, folder: Folder, position: number): void {
  const { blocks, chance } = writer;
  change(folder.rows, position, (id) => blocks.rewrite(id, [24]));
  if (chance.unit() < 0.3) change(folder.heap, position, (id) => blocks.rewrite(id, [300]));
  rewriteFrame(writer, folder);
}

/** Every change of a block has a new list of blocks, and new properties of the folder, behind it. */
function rewriteFrame({ blocks }: TableWriter, folder: Folder): void {
  folder.rowList = blocks.replace(folder.rowList, blockList(folder.rows, 0));
  folder.heapList = blocks.replace(folder.heapList, blockList([...folder.heap, ...folder.index], 0));
  folder.properties = blocks.rewrite(folder.properties, [4, 8]);
  folder.subnodes = blocks.rewrite(folder.subnodes, [16]);
  folder.hierarchy = blocks.rewrite(folder.hierarchy, [4]);
}

function change(ids: number[], position: number, successor: (id: number) => number): void {
  const at = Math.min(Math.floor(position * ids.length), ids.length - 1);
  ids[at] = successor(ids[at]!);
}

function many<T>(count: number, make: () => T): T[] {
  return Array.from({ length: Math.max(1, Math.ceil(count)) }, make);
}
