// The file system as the finders see it: a port, so that they look through Windows' folders on any machine.
import type { PlatformPath } from 'node:path';

export interface Entry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
}

export interface FileView {
  /** How paths are put together here. */
  readonly path: PlatformPath;
  /** What is at a path, links followed. Throws the system's error, also where nothing is there. */
  look(path: string): Promise<{ readonly kind: Entry['kind']; readonly size: number }>;
  /** What is in a folder, in no order. Throws the system's error. */
  list(folder: string): AsyncIterable<Entry>;
  /** A small file as text in UTF-8; null where it is not there or larger than `most` bytes. Throws the system's error. */
  readText(path: string, most: number): Promise<string | null>;
}

/** What is at a path; null where nothing is, or nothing that can be looked at. */
export async function kindAt(files: FileView, path: string): Promise<Entry['kind'] | null> {
  try {
    return (await files.look(path)).kind;
  } catch {
    return null;
  }
}
