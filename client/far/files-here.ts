// Files of this machine, near and far, by one set of functions: a far mount is never asked by this process itself, whose few threads
// for files would be spent, and which could not end while one of them waits.
import type { BigIntStats, Stats } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { FarMount } from './far-mount.ts';
import {
  askFolder,
  askLook,
  askOpen,
  askRealPath,
  type Listed,
  type Looked,
  nextNames,
  type OpenFile,
} from './file-asks.ts';
import { assertForItsOwner, assertForSystem, assertLocal, isRoot, isSystem } from './for-its-owner.ts';
import { farMountOf, mountsNow } from './mounts.ts';

const mounts = new Map<string, FarMount>();
/** The number of the last file or folder that a far mount was asked to open. */
let lastOpened = 0;

function farMount(point: string): FarMount {
  const mount = mounts.get(point) ?? new FarMount(point);
  mounts.set(point, mount);
  return mount;
}

interface Place {
  /** Without links in it. */
  readonly real: string;
  /** Null: near. */
  readonly far: FarMount | null;
}

/** Links followed before a path counts as a loop, as in Linux itself. */
const MOST_LINKS = 40;

/**
 * Where a path leads, step by step: no far mount is asked by this process. `last`: whether a link at the end is followed. Throws the
 * system's error, ELOOP for links that lead to each other.
 */
async function placeOf(path: string, last = true): Promise<Place> {
  if (isSystem()) assertLocal(resolve(path));
  const all = mountsNow();
  if (all.length === 0) return { real: path, far: null };
  let ahead = resolve(path).split('/').filter(Boolean);
  let at = '/';
  for (let links = 0; ahead.length > 0; ) {
    const next = join(at, ahead[0]!);
    const point = farMountOf(next, all);
    if (point !== null) {
      const far = farMount(point);
      const whole = join(next, ...ahead.slice(1));
      const real = last
        ? await far.ask<string>({ do: 'real-path', path: whole })
        : join(await far.ask<string>({ do: 'real-path', path: dirname(whole) }), ahead.at(-1)!);
      if (farMountOf(real, all) === point) return { real, far };
      // It led out of that mount.
      ahead = real.split('/').filter(Boolean);
      at = '/';
      if (++links > MOST_LINKS) throw loop(path);
      continue;
    }
    ahead.shift();
    const isLink = (last || ahead.length > 0) && (await askLook(next, { link: true })).kind === 'link';
    if (isLink) {
      if (++links > MOST_LINKS) throw loop(path);
      const target = resolve(at, await readlink(next));
      ahead = [...target.split('/').filter(Boolean), ...ahead];
      at = '/';
    } else at = next;
  }
  return { real: at, far: null };
}

function loop(path: string): Error {
  return Object.assign(new Error(`ELOOP: ${path}`), { code: 'ELOOP' });
}

/** What is at `path`; links are followed unless `link`. Throws the system's error. */
export async function lookAtPath(path: string, { link = false } = {}): Promise<Looked> {
  const { real, far } = await placeOf(path, !link);
  return far ? far.ask({ do: 'look', path: real, link }) : askLook(real, { link });
}

/** `path` without links. Throws the system's error. */
export async function realPathOf(path: string): Promise<string> {
  const { real, far } = await placeOf(path);
  return far ? real : askRealPath(real);
}

const LINKS = {
  isLink: async (path: string) => (await askLook(path, { link: true })).kind === 'link',
  realPath: askRealPath,
};

/** Whether `path`, which holds no link, lies on a far mount. */
export function isFar(path: string): boolean {
  return farMountOf(path, mountsNow()) !== null;
}

/** Names that one question to a far mount brings at most. */
const NAMES_AT_ONCE = 512;

/** What is in a folder, in no order. Throws the system's error. */
export async function* namesIn(folder: string): AsyncGenerator<Listed> {
  const { real, far } = await placeOf(folder);
  if (!far) {
    const near = await askFolder(real);
    try {
      for (let names = await nextNames(near, NAMES_AT_ONCE); names.length > 0; ) {
        yield* names;
        names = await nextNames(near, NAMES_AT_ONCE);
      }
    } finally {
      await near.close();
    }
    return;
  }
  const opened = await far.ask<number>({ do: 'open-folder', path: real, as: ++lastOpened });
  const next = () => far.ask<Listed[]>({ do: 'next-names', opened, most: NAMES_AT_ONCE });
  try {
    for (let names = await next(); names.length > 0; names = await next()) yield* names;
  } finally {
    await far.ask({ do: 'close-folder', opened }).catch(() => {});
  }
}

/**
 * Opens a regular file for reading; anything else is an error of code ENOTFILE. Throws the system's error. By its name, links and all:
 * whose they are is judged where it is opened.
 */
export async function openFile(path: string): Promise<OpenFile> {
  const { far } = await placeOf(path);
  if (isSystem()) await assertForSystem(resolve(path), LINKS);
  if (!far) return askOpen(path);
  return farFile(far, await far.ask<number>({ do: 'open', path: resolve(path), as: ++lastOpened }));
}

/**
 * `path` without links, where what is called so next is read for its owner. Throws the system's error, one of code EOTHERUSER where links
 * of another user lead there, or ESTALE where it leads elsewhere than a moment ago.
 */
export async function realPathForItsOwner(path: string): Promise<string> {
  const real = await realPathOf(path);
  if (isRoot() && !isFar(real)) await assertForItsOwner(path, real);
  if (isSystem()) await assertForSystem(resolve(path), LINKS);
  return real;
}

/** Bytes that one question to a far mount brings at most. */
const BYTES_AT_ONCE = 1_048_576;

function farFile(far: FarMount, opened: number): OpenFile {
  const statOf = async (options: { bigint: boolean }) => {
    const what = await far.ask<Stats & BigIntStats>({ do: 'stat', opened, bigint: options.bigint });
    const date = (ms: number | bigint) => new Date(Number(ms));
    const { atimeMs, mtimeMs, ctimeMs, birthtimeMs } = what;
    const dates = {
      atime: date(atimeMs),
      mtime: date(mtimeMs),
      ctime: date(ctimeMs),
      birthtime: date(birthtimeMs),
    };
    return { ...what, ...dates, isFile: () => true, isDirectory: () => false };
  };
  return {
    stat: ((options?: { bigint: true }) => statOf({ bigint: options?.bigint ?? false })) as OpenFile['stat'],
    async read(into, offset, length, position) {
      const bytes = await far.ask<Uint8Array>({
        do: 'read',
        opened,
        length: Math.min(length, BYTES_AT_ONCE),
        position,
      });
      into.set(bytes, offset);
      return { bytesRead: bytes.length };
    },
    close: () => far.ask<void>({ do: 'close', opened }).catch(() => {}),
  };
}

/** The bytes of a small regular file; null where it is not there. An error of code EFBIG where it has more than `most`. */
export async function smallFile(path: string, most: number): Promise<Buffer | null> {
  let file: OpenFile;
  try {
    file = await openFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
  try {
    const { size } = await file.stat();
    const tooLarge = Object.assign(new Error(`larger than ${most} bytes`), { code: 'EFBIG' });
    if (size > most) throw tooLarge;
    const bytes = Buffer.alloc(size);
    let got = 0;
    while (got < size) {
      const { bytesRead } = await file.read(bytes, got, size - got, got);
      if (bytesRead === 0) break;
      got += bytesRead;
    }
    return bytes.subarray(0, got);
  } finally {
    await file.close();
  }
}
