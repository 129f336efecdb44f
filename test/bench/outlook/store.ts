// An Outlook-like store: mails, folders, trees and maps, and the commit that makes a change of them lasting.
import { Blocks } from './blocks.ts';
import { Tree } from './btree.ts';
import { Chance } from './chance.ts';
import type { Folder, TableWriter } from './folder.ts';
import { writeMessage } from './message.ts';
import { BBT_PAGE, NBT_PAGE, Pages, putU64 } from './page.ts';
import { Prose } from './prose.ts';
import { type Policy, Space } from './space.ts';
import { StoreFile } from './store-file.ts';
import { writeHead, writePmaps } from './store-head.ts';

export type StoreOptions = { readonly size: number; readonly seed: number; readonly policy: Policy };

const NODE_STEP = 0x20;
const PARENT_FOLDER = 0x8022;

export class OutlookStore implements TableWriter {
  readonly file = new StoreFile();
  readonly chance: Chance;
  readonly prose: Prose;
  readonly space: Space;
  readonly blocks: Blocks;
  readonly folders: Folder[] = [];
  /** Blocks of each mail by its node id. */
  readonly messages = new Map<number, number[]>();
  /** The mails' node ids, oldest first. */
  order: number[] = [];
  readonly #pages: Pages;
  readonly #bbt: Tree;
  readonly #nbt: Tree;
  /** What a node's entry says: the last block id when it changed, which is all that its bytes need to differ. */
  readonly #nodes = new Map<number, number>();
  #newNodes: number[] = [];
  #changedNodes: number[] = [];
  #goneNodes: number[] = [];
  #lastNode = 0x200;
  #commits = 1;
  #sectionsWithPmap = 0;

  constructor(pool: Buffer, { size, seed, policy }: StoreOptions) {
    this.chance = new Chance(seed);
    this.prose = new Prose(pool, this.chance);
    this.space = new Space(size, policy, this.chance);
    this.blocks = new Blocks(this.file, this.space, this.prose, this.chance);
    this.#pages = new Pages(this.file);
    this.#bbt = new Tree(
      { pageType: BBT_PAGE, leafCapacity: 20, leafFill: 17, entrySize: 24, putEntry: this.#putBlockEntry },
      this.#pages,
      this.space,
    );
    this.#nbt = new Tree(
      { pageType: NBT_PAGE, leafCapacity: 15, leafFill: 13, entrySize: 32, putEntry: this.#putNodeEntry },
      this.#pages,
      this.space,
    );
  }

  newNode(): number {
    this.#lastNode += NODE_STEP;
    this.#newNodes.push(this.#lastNode);
    return this.#lastNode;
  }

  changeNode(nid: number): void {
    this.#changedNodes.push(nid);
  }

  deliver(): void {
    const blocks = writeMessage(this.blocks, this.prose, this.chance);
    const nid = this.newNode();
    this.messages.set(nid, blocks);
    this.order.push(nid);
  }

  /** Forgets a mail and its blocks; the caller takes it out of the order. */
  remove(nid: number): void {
    for (const block of this.messages.get(nid) ?? []) this.blocks.drop(block);
    if (this.messages.delete(nid)) this.#goneNodes.push(nid);
  }

  /** Ends the first lay-out: builds the trees over all that has been written, and settles. */
  settle(): void {
    const gone = new Set(this.#goneNodes);
    const nodes = this.#newNodes.filter((nid) => !gone.has(nid));
    for (const nid of nodes) this.#nodes.set(nid, this.blocks.lastId);
    this.#bbt.build([...this.blocks.places.keys()]);
    this.#nbt.build(nodes);
    this.#forgetChanges();
    this.space.settle();
    this.#writeHead();
  }

  /** Outlook's order: blocks are there already, then the trees to new places, then the old space becomes free. */
  commit(): void {
    for (const block of this.blocks.created) if (this.blocks.places.has(block)) this.#bbt.append(block);
    for (const block of this.blocks.dropped) this.#bbt.remove(block);
    for (const nid of [...this.#newNodes, ...this.#changedNodes]) this.#nodes.set(nid, this.blocks.lastId);
    for (const nid of this.#newNodes) this.#nbt.append(nid);
    for (const nid of this.#changedNodes) this.#nbt.touch(nid);
    for (const nid of this.#goneNodes) this.#nbt.remove(nid);
    this.#forgetChanges();
    this.#bbt.commit();
    this.#nbt.commit();
    this.space.releaseRetired();
    this.#writeHead();
  }

  #writeHead(): void {
    this.file.resize(this.space.end);
    writePmaps(this.#pages, this.space, this.#sectionsWithPmap);
    this.#sectionsWithPmap = this.space.sections;
    this.#commits++;
    writeHead(this.file, this.#pages, this.space, {
      nbtRoot: this.#nbt.rootPlace,
      bbtRoot: this.#bbt.rootPlace,
      lastBlockId: this.blocks.lastId,
      unique: this.#commits,
    });
  }

  #forgetChanges(): void {
    this.blocks.created = [];
    this.blocks.dropped = [];
    this.#newNodes = [];
    this.#changedNodes = [];
    this.#goneNodes = [];
  }

  /** Arrow functions, as the trees keep them: (block id, place, length, references). */
  readonly #putBlockEntry = (page: Buffer, at: number, id: number): void => {
    const place = this.blocks.places.get(id);
    putU64(page, at, id);
    putU64(page, at + 8, place?.at ?? 0);
    page.writeUInt16LE(place?.length ?? 0, at + 16);
    page.writeUInt16LE(2, at + 18);
  };

  /** (node id, data block, subnode block, parent) */
  readonly #putNodeEntry = (page: Buffer, at: number, nid: number): void => {
    const block = this.#nodes.get(nid) ?? 0;
    putU64(page, at, nid);
    putU64(page, at + 8, block);
    putU64(page, at + 16, Math.max(0, block - 4));
    putU64(page, at + 24, PARENT_FOLDER);
  };
}
