// What is asked of a file system: done in this process for near mounts, in a process of its own for far ones. Nothing here blocks on a
// FIFO, and nothing but a regular file is opened.
import type { BigIntStats, Dir, Stats } from 'node:fs';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, opendir, realpath, stat } from 'node:fs/promises';
import { isRoot, openForItsOwner } from './for-its-owner.ts';

/** Kinds of what lies at a path. */
export type Kind = 'file' | 'folder' | 'link' | 'other';

interface Kinds {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isCharacterDevice(): boolean;
  isBlockDevice(): boolean;
}

export function kindOfWhat(what: Kinds): Kind {
  if (what.isFile()) return 'file';
  if (what.isDirectory()) return 'folder';
  return what.isSymbolicLink() ? 'link' : 'other';
}

/** What is no regular file, in words. */
function wordFor(what: Kinds): string {
  if (what.isDirectory()) return 'a folder';
  if (what.isFIFO()) return 'a FIFO';
  if (what.isSocket()) return 'a socket';
  return what.isCharacterDevice() || what.isBlockDevice() ? 'a device' : 'something else';
}

/** The error code of what is no regular file; its message says what it is, as `a FIFO`. */
export const NOT_A_FILE = 'ENOTFILE';

function assertFile(what: Kinds): void {
  if (!what.isFile()) throw Object.assign(new Error(wordFor(what)), { code: NOT_A_FILE });
}

export interface Looked {
  readonly kind: Kind;
  readonly size: number;
  /** When its content changed last: ms since 1970. */
  readonly mtimeMs: number;
  /** What is no file, folder or link, in words. */
  readonly word: string;
  /** Names the thing itself, whatever path leads to it: device and inode. */
  readonly id: string;
  /** The number of its owner; null on Windows, where there is none. */
  readonly owner: number | null;
}

/** What is at `path`; links are followed unless `link`. Throws the system's error. */
export async function askLook(path: string, { link = false } = {}): Promise<Looked> {
  const what = await (link ? lstat : stat)(path, { bigint: true });
  return {
    kind: kindOfWhat(what),
    size: Number(what.size),
    // With its fraction, as a look without bigint has it.
    mtimeMs: Number(what.mtimeMs) + Number(what.mtimeNs % 1_000_000n) / 1e6,
    word: wordFor(what),
    id: `${what.dev}:${what.ino}`,
    owner: process.platform === 'win32' ? null : Number(what.uid),
  };
}

export const askRealPath = (path: string): Promise<string> => realpath(path);

export type Listed = { readonly name: Buffer; readonly kind: Kind };

/** Opens a folder; its names come as the bytes they are. Throws the system's error. */
export const askFolder = (path: string): Promise<Dir> => opendir(path, { encoding: 'buffer' as 'utf8' });

/** The next `most` names of a folder at most; none at its end. */
export async function nextNames(folder: Dir, most: number): Promise<Listed[]> {
  const names: Listed[] = [];
  while (names.length < most) {
    const entry = await folder.read();
    if (entry === null) break;
    names.push({ name: entry.name as unknown as Buffer, kind: kindOfWhat(entry) });
  }
  return names;
}

/** A regular file that is open for reading. */
export interface OpenFile {
  stat(): Promise<Stats>;
  stat(options: { bigint: true }): Promise<BigIntStats>;
  read(into: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  close(): Promise<void>;
}

/** Windows has no such flags; nor does opening wait there. */
const { O_RDONLY, O_NONBLOCK = 0, O_NOCTTY = 0 } = constants;

/**
 * Opens a regular file for reading, and never waits for a writer. Looked at before it is opened, as opening alone means something to
 * some devices, and after, as another may have come in its place. Root opens only what it may for the owner (for-its-owner.ts). Throws
 * the system's error, or one of code ENOTFILE or EOTHERUSER.
 */
export async function askOpen(path: string): Promise<FileHandle> {
  const flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
  if (isRoot()) return openForItsOwner(path, flags, assertFile);
  assertFile(await stat(path));
  const file = await open(path, flags);
  try {
    assertFile(await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
