// The file system as the finders see it: a port, so that they look through Windows' folders on any machine.
import type { PlatformPath } from 'node:path';

export type EntryKind = 'file' | 'folder' | 'link' | 'other';

export interface Entry {
  readonly name: string;
  /** `unknown`: it is there and can't be looked at, for the reason in `code`. */
  readonly kind: EntryKind | 'unknown';
  /** Absent: the name is one that can be kept. Otherwise `name` only shows what it is like, and leads nowhere. */
  readonly isNoName?: true;
  /** The system's error code of an unknown one. */
  readonly code?: string;
}

export interface Look {
  readonly kind: EntryKind;
  readonly size: number;
  /** Names the thing itself, whatever path leads to it; absent where that can't be told. */
  readonly id?: string;
  /** The number of its owner; null or absent where there is none. */
  readonly owner?: number | null;
  /** What is neither file nor folder, in words, such as `a FIFO`. */
  readonly word?: string;
}

/** What a link leads to. */
export interface Followed extends Look {
  /** Its path without links. */
  readonly real: string;
  /** The number of the link's own owner. */
  readonly linkOwner?: number | null;
}

export interface FileView {
  /** How paths are put together here. */
  readonly path: PlatformPath;
  /** What is at a path, links followed. Throws the system's error, also where nothing is there. */
  look(path: string): Promise<Look>;
  /** What a link leads to; null where the link itself is not there any more. Throws the system's error, with the link's text as `target`. */
  follow(link: string): Promise<Followed | null>;
  /** What is in a folder, in no order. Throws the system's error. */
  list(folder: string): AsyncIterable<Entry>;
  /** A small file as text in UTF-8; null where it is not there. Throws the system's error, EFBIG where it is larger than `most` bytes. */
  readText(path: string, most: number): Promise<string | null>;
}

/** What is at a path; null where nothing is, or nothing that can be looked at. */
export async function kindAt(files: FileView, path: string): Promise<EntryKind | null> {
  try {
    return (await files.look(path)).kind;
  } catch {
    return null;
  }
}
