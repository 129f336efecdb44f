// Windows' folders in memory: drive letters, no case, Windows' separators; for the finders on machines without Windows.
import { win32 } from 'node:path';
import type { Entry, FileView } from '../../client/sources/file-view.ts';

type Node =
  | { readonly name: string; readonly content: string }
  | { readonly name: string; readonly folder: Map<string, Node> };

const missing = (path: string, code = 'ENOENT') => Object.assign(new Error(`${code}: ${path}`), { code });

/** The files given, by path, with their content; folders are made. `closed`: folders that can't be looked into. */
export function windowsTree(
  files: Readonly<Record<string, string>>,
  { closed = [] }: { closed?: readonly string[] } = {},
): FileView {
  const root = { name: '', folder: new Map<string, Node>() };
  const at = (path: string): Node => {
    let node: Node = root;
    for (const part of win32.normalize(path).split('\\').filter(Boolean)) {
      const next: Node | undefined = 'folder' in node ? node.folder.get(part.toLowerCase()) : undefined;
      if (!next) throw missing(path);
      node = next;
    }
    return node;
  };
  for (const [path, content] of Object.entries(files)) {
    const parts = path.split('\\');
    const name = parts.pop()!;
    let folder = root.folder;
    for (const part of parts) {
      const next = folder.get(part.toLowerCase()) ?? { name: part, folder: new Map<string, Node>() };
      folder.set(part.toLowerCase(), next);
      if (!('folder' in next)) throw new Error(`${path}: ${part} is a file`);
      folder = next.folder;
    }
    folder.set(name.toLowerCase(), { name, content });
  }
  const isClosed = (path: string) => closed.some((one) => one.toLowerCase() === path.toLowerCase());
  return {
    path: win32,
    async look(path) {
      const node = at(path);
      return 'folder' in node
        ? { kind: 'folder', size: 0 }
        : { kind: 'file', size: Buffer.byteLength(node.content) };
    },
    async *list(folder): AsyncGenerator<Entry> {
      if (isClosed(folder)) throw missing(folder, 'EPERM');
      const node = at(folder);
      if (!('folder' in node)) throw missing(folder, 'ENOTDIR');
      for (const one of node.folder.values())
        yield { name: one.name, kind: 'folder' in one ? 'folder' : 'file' };
    },
    async readText(path, most) {
      try {
        const node = at(path);
        return 'folder' in node || Buffer.byteLength(node.content) > most ? null : node.content;
      } catch {
        return null;
      }
    },
  };
}
