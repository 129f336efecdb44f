// A simulated disk: what was not synced may be lost, kept or torn when the power goes, each write and each name by itself.
import type { Chance } from './chance.ts';

export interface File {
  readonly kind: 'file';
  bytes: Buffer;
  /** What is surely on the disk. */
  synced: Buffer;
  /** Since then, in order. */
  writes: { at: number; bytes: Buffer }[];
  mtimeMs: number;
}

export interface Directory {
  readonly kind: 'directory';
  names: Map<string, Node>;
  /** The names that are surely on the disk. */
  synced: Map<string, Node>;
  /** Since then, in order; each is done whole or not at all. */
  changes: (readonly [name: string, node: Node | null])[][];
}

export type Node = File | Directory;

/** How a power cut treats what was not synced: the disk had written nothing of it, all of it, what came first, or anything. */
export type Mood = 'nothing' | 'everything' | 'first' | 'anything';

/** Syncs that a sabotaged device leaves out. */
export type SyncFilter = (path: string, node: Node) => boolean;

export function diskError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

export class Disk {
  readonly root: Directory = directory();
  /** No room: nothing is written and no name is added. */
  full = false;
  /** Whether a sync is really done. */
  syncs: SyncFilter = () => true;

  find(path: string): Node | undefined {
    let at: Node | undefined = this.root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      if (at?.kind !== 'directory') return undefined;
      at = at.names.get(name);
    }
    return at;
  }

  fileAt(path: string): File {
    const node = this.find(path);
    if (!node) throw diskError('ENOENT', path);
    if (node.kind !== 'file') throw diskError('EISDIR', path);
    return node;
  }

  directoryAt(path: string): Directory {
    const node = this.find(path);
    if (!node) throw diskError('ENOENT', path);
    if (node.kind !== 'directory') throw diskError('ENOTDIR', path);
    return node;
  }

  /** The file for a flag of open(2) as Node writes it: r, r+, w, wx. */
  open(path: string, flags: string): Node {
    const node = this.find(path);
    if (flags.startsWith('r')) {
      if (!node) throw diskError('ENOENT', path);
      return node;
    }
    if (node && flags.includes('x')) throw diskError('EEXIST', path);
    if (node?.kind === 'directory') throw diskError('EISDIR', path);
    if (node) {
      node.bytes = Buffer.alloc(0);
      node.synced = node.bytes;
      node.writes = [];
      return node;
    }
    this.#assertRoom(path);
    const made: File = {
      kind: 'file',
      bytes: Buffer.alloc(0),
      synced: Buffer.alloc(0),
      writes: [],
      mtimeMs: 0,
    };
    this.#change(path, [[nameOf(path), made]]);
    return made;
  }

  write(file: File, at: number, bytes: Uint8Array): void {
    this.#assertRoom('a file');
    const copy = Buffer.from(bytes);
    file.bytes = over(file.bytes, at, copy);
    file.writes.push({ at, bytes: copy });
  }

  /** At once on the disk too: what it cuts is made anew by whoever asks for it. */
  truncate(file: File, length: number): void {
    file.bytes = file.bytes.subarray(0, length);
    file.synced = file.bytes;
    file.writes = [];
  }

  sync(path: string, node: Node): void {
    if (!this.syncs(path, node)) return;
    if (node.kind === 'file') {
      node.synced = node.bytes;
      node.writes = [];
    } else {
      node.synced = new Map(node.names);
      node.changes = [];
    }
  }

  /** The first directory that had to be made; undefined: it was there. */
  makeDirectory(path: string): string | undefined {
    let first: string | undefined;
    let at = '';
    for (const name of path.split('/').slice(1)) {
      at = `${at}/${name}`;
      if (this.find(at)) continue;
      this.#assertRoom(at);
      this.#change(at, [[name, directory()]]);
      first ??= at;
    }
    return first;
  }

  rename(from: string, to: string): void {
    const node = this.find(from);
    if (!node) throw diskError('ENOENT', from);
    if (parentOf(from) !== parentOf(to)) throw new Error('the device only renames within a directory');
    this.#change(to, [
      [nameOf(from), null],
      [nameOf(to), node],
    ]);
  }

  remove(path: string, force: boolean): void {
    const node = this.find(path);
    if (node) this.#change(path, [[nameOf(path), null]]);
    else if (!force) throw diskError('ENOENT', path);
  }

  /** What the world does to a file behind the device's back; on the disk at once. */
  put(path: string, bytes: Buffer, mtimeMs = 0): void {
    const file: File = { kind: 'file', bytes, synced: bytes, writes: [], mtimeMs };
    this.putDirectory(parentOf(path));
    const parent = this.directoryAt(parentOf(path));
    parent.names.set(nameOf(path), file);
    parent.synced.set(nameOf(path), file);
  }

  /** A directory that was always there. */
  putDirectory(path: string): void {
    if (this.find(path)) return;
    this.putDirectory(parentOf(path));
    const parent = this.directoryAt(parentOf(path));
    const made = directory();
    parent.names.set(nameOf(path), made);
    parent.synced.set(nameOf(path), made);
  }

  /** The power goes; afterwards what is there is what was on the disk. */
  cutPower(chance: Chance, mood: Mood): void {
    lose(this.root, chance, mood);
    settle(this.root);
  }

  #assertRoom(path: string): void {
    if (this.full) throw diskError('ENOSPC', path);
  }

  #change(path: string, change: (readonly [string, Node | null])[]): void {
    const parent = this.directoryAt(parentOf(path));
    apply(parent.names, change);
    parent.changes.push(change);
  }
}

function directory(): Directory {
  return { kind: 'directory', names: new Map(), synced: new Map(), changes: [] };
}

function apply(names: Map<string, Node>, change: readonly (readonly [string, Node | null])[]): void {
  for (const [name, node] of change) {
    if (node) names.set(name, node);
    else names.delete(name);
  }
}

function over(bytes: Buffer, at: number, written: Buffer): Buffer {
  const out = Buffer.alloc(Math.max(bytes.length, at + written.length));
  bytes.copy(out);
  written.copy(out, at);
  return out;
}

/** Which of `count` things that were not synced the disk had done. */
function kept(count: number, chance: Chance, mood: Mood): boolean[] {
  const first = mood === 'first' ? chance.whole(0, count) : mood === 'everything' ? count : 0;
  return Array.from({ length: count }, (_, i) => (mood === 'anything' ? chance.is(0.5) : i < first));
}

function lose(node: Node, chance: Chance, mood: Mood): void {
  if (node.kind === 'directory') {
    const names = new Map(node.synced);
    const keep = kept(node.changes.length, chance, mood);
    for (const [i, change] of node.changes.entries()) if (keep[i]) apply(names, change);
    node.names = names;
    for (const child of names.values()) lose(child, chance, mood);
    return;
  }
  let bytes = node.synced;
  const keep = kept(node.writes.length, chance, mood);
  for (const [i, write] of node.writes.entries()) {
    if (!keep[i]) continue;
    const torn = mood === 'anything' && chance.is(0.3);
    const length = torn ? chance.whole(0, write.bytes.length) : write.bytes.length;
    bytes = over(bytes, write.at, write.bytes.subarray(0, length));
  }
  node.bytes = bytes;
}

/** Everything there is is on the disk. */
function settle(node: Node): void {
  if (node.kind === 'file') {
    node.synced = node.bytes;
    node.writes = [];
    return;
  }
  node.synced = new Map(node.names);
  node.changes = [];
  for (const child of node.names.values()) settle(child);
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
