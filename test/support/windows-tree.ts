// Windows' folders in memory: drive letters, no case, Windows' separators; for the finders on machines without Windows.
import { win32 } from 'node:path';
import type { Entry, FileView } from '../../client/sources/file-view.ts';

type Node =
  | { readonly name: string; readonly content: string }
  | { readonly name: string; readonly link: string }
  | { readonly name: string; readonly folder: Map<string, Node> };

const missing = (path: string, code = 'ENOENT') => Object.assign(new Error(`${code}: ${path}`), { code });

export interface TreeOptions {
  /** Folders that can't be looked into. */
  readonly closed?: readonly string[];
  /** Junctions, by path, with the folder that each leads to. */
  readonly junctions?: Readonly<Record<string, string>>;
  /** Files whose entries a listing shows and that can't be looked at. */
  readonly unknown?: readonly string[];
}

/** The files given, by path, with their content; folders are made. */
export function windowsTree(
  files: Readonly<Record<string, string>>,
  { closed = [], junctions = {}, unknown = [] }: TreeOptions = {},
): FileView {
  const root = { name: '', folder: new Map<string, Node>() };
  /** What is at a path, and its path without junctions. */
  const find = (path: string, last = true): { node: Node; real: string } => {
    let node: Node = root;
    let real: string[] = [];
    const parts = win32.normalize(path).split('\\').filter(Boolean);
    for (let links = 0; parts.length > 0; ) {
      const part = parts.shift()!;
      const next: Node | undefined = 'folder' in node ? node.folder.get(part.toLowerCase()) : undefined;
      if (!next) throw missing(path);
      if ('link' in next && (last || parts.length > 0)) {
        if (++links > 40) throw missing(path, 'ELOOP');
        parts.unshift(...next.link.split('\\').filter(Boolean));
        node = root;
        real = [];
      } else {
        real.push(next.name);
        node = next;
      }
    }
    return { node, real: real.join('\\') };
  };
  const at = (path: string): Node => find(path).node;
  const isLike = (path: string, all: readonly string[]) =>
    all.some((one) => one.toLowerCase() === path.toLowerCase());
  const look = (path: string) => {
    if (isLike(path, unknown)) throw missing(path, 'UNKNOWN');
    const node = at(path);
    const { content = '' } = node as { content?: string };
    return 'folder' in node
      ? { kind: 'folder' as const, size: 0 }
      : { kind: 'file' as const, size: Buffer.byteLength(content) };
  };
  const nodes: [string, Partial<Record<'content' | 'link', string>>][] = [
    ...Object.entries(files).map(([path, content]): [string, { content: string }] => [path, { content }]),
    ...Object.entries(junctions).map(([path, link]): [string, { link: string }] => [path, { link }]),
  ];
  for (const [path, what] of nodes) {
    const parts = path.split('\\');
    const name = parts.pop()!;
    let folder = root.folder;
    for (const part of parts) {
      const next = folder.get(part.toLowerCase()) ?? { name: part, folder: new Map<string, Node>() };
      folder.set(part.toLowerCase(), next);
      if (!('folder' in next)) throw new Error(`${path}: ${part} is a file`);
      folder = next.folder;
    }
    folder.set(name.toLowerCase(), { name, ...what } as Node);
  }
  return {
    path: win32,
    look: async (path) => look(path),
    async follow(link) {
      find(link, false);
      const { real } = find(link);
      return { real, ...look(real) };
    },
    async *list(folder): AsyncGenerator<Entry> {
      if (isLike(folder, closed)) throw missing(folder, 'EPERM');
      const node = at(folder);
      if (!('folder' in node)) throw missing(folder, 'ENOTDIR');
      for (const one of node.folder.values()) {
        const { name } = one;
        if (isLike(win32.join(folder, name), unknown)) yield { name, kind: 'unknown', code: 'UNKNOWN' };
        else yield { name, kind: 'folder' in one ? 'folder' : 'link' in one ? 'link' : 'file' };
      }
    },
    async readText(path, most) {
      let node: Node;
      try {
        node = at(path);
      } catch {
        return null;
      }
      if (!('content' in node)) return null;
      if (Buffer.byteLength(node.content) > most) throw missing(path, 'EFBIG');
      return node.content;
    },
  };
}
