// A source as it lies there: opened, and looked at without being read.
import { type FileHandle, open } from 'node:fs/promises';
import { Failure } from '../../shared/failure.ts';
import { isRegistryPath } from '../registry/registry.ts';
import { markOf } from './change-test.ts';

/** Bytes of a file's beginning that are looked at: a store's header takes 564 ([MS-PST] 2.2.2.6). */
const HEAD_BYTES = 4_096;

export interface Look {
  readonly size: number;
  readonly mtimeMs: number;
  readonly head: Buffer;
}

export async function lookAt(file: FileHandle): Promise<Look> {
  const { size, mtimeMs } = await file.stat();
  const head = Buffer.alloc(Math.min(size, HEAD_BYTES));
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  return { size, mtimeMs, head: head.subarray(0, bytesRead) };
}

/** Opens a source for reading; a Failure `source_missing`, `source_locked` or `source_unreadable`. */
export async function openSource(frozen: string, path: string): Promise<FileHandle> {
  try {
    return await open(frozen, 'r');
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Failure('source_missing', `${path} is not there.`, { cause });
    // What Node makes of a sharing violation (32) and of a lock violation (33).
    if (code === 'EBUSY') {
      throw new Failure('source_locked', `${path} is locked by another program.`, { cause });
    }
    throw new Failure('source_unreadable', `${path} can't be opened (${code}).`, { cause });
  }
}

/** The mark of a source as it lies there now, for the change test; null where only reading it tells. */
export async function currentMark(path: string): Promise<string | null> {
  // Its export tells, which costs less than a snapshot.
  if (isRegistryPath(path)) return null;
  const file = await openSource(path, path);
  try {
    return markOf(await lookAt(file));
  } finally {
    await file.close();
  }
}
