// A copy-on-write B-tree of 512-byte pages: at a commit every changed page and all its parents go to new places.
//
//   entries, 488 B at most | count 1 | capacity 1 | entry size 1 | level 1 | 0 4 | trailer 16
//
// An inner entry is (first key below, id, place) of 24 bytes; a leaf entry is the tree's own.
import { PAGE, PAGE_BODY, type Pages, putU64 } from './page.ts';
import type { Space } from './space.ts';

const INNER_CAPACITY = 20;
const INNER_FILL = 18;
const INNER_ENTRY = 24;
/** Pages start at multiples of 512 bytes. */
const PAGE_ALIGNMENT = 8;
const UNPLACED = Number.MAX_SAFE_INTEGER;

type Node = { at: number; level: number; parent: Node | undefined; keys: number[]; children: Node[] };

export type TreeShape = {
  readonly pageType: number;
  readonly leafCapacity: number;
  /** How full the leaves of a tree are that has lived. */
  readonly leafFill: number;
  readonly entrySize: number;
  readonly putEntry: (page: Buffer, at: number, key: number) => void;
};

/** Keys only ever rise, so a new one belongs at the end. */
export class Tree {
  readonly #shape: TreeShape;
  readonly #pages: Pages;
  readonly #space: Space;
  readonly #leafOf = new Map<number, Node>();
  readonly #dirty = new Set<Node>();
  #root = node(0);
  #last = this.#root;

  constructor(shape: TreeShape, pages: Pages, space: Space) {
    this.#shape = shape;
    this.#pages = pages;
    this.#space = space;
  }

  get rootPlace(): number {
    return this.#root.at;
  }

  /** Lays a whole tree out, leaves first. */
  build(keys: readonly number[]): void {
    const leaves = chunks(keys, this.#shape.leafFill).map((part) => {
      const leaf = node(0);
      leaf.keys = part;
      for (const key of part) this.#leafOf.set(key, leaf);
      return leaf;
    });
    const levels = [leaves];
    for (let level = 1; levels.at(-1)!.length > 1; level++) {
      levels.push(
        chunks(levels.at(-1)!, INNER_FILL).map((children) => {
          const inner = node(level);
          inner.children = children;
          for (const child of children) child.parent = inner;
          return inner;
        }),
      );
    }
    this.#last = leaves.at(-1)!;
    this.#root = levels.at(-1)![0]!;
    const all = levels.flat();
    for (const page of all) page.at = this.#space.place(PAGE, PAGE_ALIGNMENT);
    for (const page of all) this.#write(page);
  }

  append(key: number): void {
    if (this.#last.keys.length >= this.#shape.leafCapacity) {
      const full = this.#last;
      this.#last = node(0);
      this.#adopt(full, this.#last);
    }
    this.#last.keys.push(key);
    this.#leafOf.set(key, this.#last);
    this.#dirty.add(this.#last);
  }

  remove(key: number): void {
    const leaf = this.#leafOf.get(key);
    if (leaf === undefined) return;
    this.#leafOf.delete(key);
    leaf.keys.splice(leaf.keys.indexOf(key), 1);
    this.#dirty.add(leaf);
  }

  /** What the key stands for has changed. */
  touch(key: number): void {
    const leaf = this.#leafOf.get(key);
    if (leaf !== undefined) this.#dirty.add(leaf);
  }

  commit(): void {
    const changed = new Set<Node>();
    for (const leaf of this.#dirty) {
      for (let page: Node | undefined = leaf; page !== undefined && !changed.has(page); page = page.parent)
        changed.add(page);
    }
    this.#dirty.clear();
    // children before parents: a parent's page tells where its children have gone
    const order = [...changed].sort((a, b) => a.level - b.level || a.at - b.at || firstKey(a) - firstKey(b));
    for (const page of order) {
      if (page.at !== UNPLACED) this.#space.retire(page.at, PAGE);
      page.at = this.#space.place(PAGE, PAGE_ALIGNMENT);
      this.#write(page);
    }
  }

  /** Hangs a new page beside a full one, splitting the parents as far up as need be. */
  #adopt(sibling: Node, page: Node): void {
    let parent = sibling.parent;
    if (parent === undefined) {
      parent = node(sibling.level + 1);
      parent.children.push(sibling);
      sibling.parent = parent;
      this.#root = parent;
    } else if (parent.children.length >= INNER_CAPACITY) {
      const full = parent;
      parent = node(full.level);
      this.#adopt(full, parent);
    }
    parent.children.push(page);
    page.parent = parent;
    this.#dirty.add(parent);
  }

  #write(page: Node): void {
    const body = Buffer.alloc(PAGE_BODY);
    const leaf = page.level === 0;
    const entrySize = leaf ? this.#shape.entrySize : INNER_ENTRY;
    if (leaf) for (const [i, key] of page.keys.entries()) this.#shape.putEntry(body, i * entrySize, key);
    for (const [i, child] of page.children.entries()) {
      putU64(body, i * entrySize, firstKey(child));
      putU64(body, i * entrySize + 8, Math.floor(child.at / 64));
      putU64(body, i * entrySize + 16, child.at);
    }
    body[488] = leaf ? page.keys.length : page.children.length;
    body[489] = leaf ? this.#shape.leafCapacity : INNER_CAPACITY;
    body[490] = entrySize;
    body[491] = page.level;
    this.#pages.write(page.at, this.#shape.pageType, body);
  }
}

function node(level: number): Node {
  return { at: UNPLACED, level, parent: undefined, keys: [], children: [] };
}

function firstKey(page: Node): number {
  let lowest = page;
  while (lowest.level > 0) lowest = lowest.children[0]!;
  return lowest.keys[0] ?? 0;
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.max(1, Math.ceil(items.length / size)) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}
