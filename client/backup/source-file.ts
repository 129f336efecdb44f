// The file of a source: opened, looked at, and how it looked told as a mark; what fails of that is a failure of the source.
import { platform } from 'node:os';
import { Failure } from '../../shared/failure.ts';
import { SILENT } from '../far/far-mount.ts';
import { NOT_A_FILE, type OpenFile } from '../far/file-asks.ts';
import { lookAtPath, openFile } from '../far/files-here.ts';
import { OF_ANOTHER } from '../far/for-its-owner.ts';
import { isRegistryPath } from '../registry/registry.ts';
import { readFailure } from '../scan/read-failure.ts';
import { pathFault } from '../sources/path-fault.ts';
import { markOf, type SourceLook } from './change-test.ts';
import { cloudOnly, isCloudOnly } from './cloud-only.ts';

/** Bytes of a file's beginning that are looked at: a store's header takes 564 ([MS-PST] 2.2.2.6). */
const HEAD_BYTES = 4_096;

/**
 * Opens a source for reading. Never waits for a writer, and no longer than the patience for a far mount. A Failure `source_missing`,
 * `source_locked`, `source_not_a_file`, `source_silent`, `source_name`, `source_of_another` or `source_unreadable`.
 */
export async function openSource(frozen: string, path: string): Promise<OpenFile> {
  const fault = pathFault(path);
  if (fault !== null) throw new Failure('source_name', `${path} can't be taken because ${fault}.`);
  try {
    return await openFile(frozen);
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Failure('source_missing', `${path} is not there.`, { cause });
    if (code === NOT_A_FILE)
      throw new Failure('source_not_a_file', `${path} is ${message}, and not a regular file.`, { cause });
    if (code === OF_ANOTHER)
      throw new Failure('source_of_another', `${path} is not read for its owner: it is ${message}.`, {
        cause,
      });
    if (code === SILENT)
      throw new Failure('source_silent', `${path} can't be opened: ${message}.`, { cause });
    // What Node makes of a sharing violation (32) and of a lock violation (33).
    if (code === 'EBUSY') {
      throw new Failure('source_locked', `${path} is locked by another program.`, { cause });
    }
    throw new Failure('source_unreadable', `${path} can't be opened (${code}).`, { cause });
  }
}

/** How the open source looks now; a Failure `source_locked`, `source_cloud_only` or `source_unreadable`. */
export async function lookAt(file: OpenFile, path: string, system: string = platform()): Promise<SourceLook> {
  const look = await seen(file.stat(), path);
  // To read one byte of it would have the sync program fetch all.
  if (isCloudOnly(look, system)) throw cloudOnly(path);
  const { size, mtimeMs, ctimeMs, mode, uid, gid } = look;
  const head = Buffer.alloc(Math.min(size, HEAD_BYTES));
  const { bytesRead } = await seen(file.read(head, 0, head.length, 0), path);
  const rights = system === 'win32' ? null : { mode: mode & 0o777, uid, gid };
  return { size, mtimeMs, ctimeMs, rights, head: head.subarray(0, bytesRead) };
}

function seen<T>(asked: Promise<T>, path: string): Promise<T> {
  return asked.catch((cause: NodeJS.ErrnoException) => {
    throw readFailure(path, 0, cause);
  });
}

/** The mark of a source as it lies there now, for the change test; null where only reading it tells. Failures as above. */
export async function currentMark(path: string): Promise<string | null> {
  // Its export tells, which costs less than a snapshot.
  if (isRegistryPath(path)) return null;
  const file = await openSource(path, path);
  try {
    return markOf(await lookAt(file, path));
  } finally {
    await file.close();
  }
}

/** Whether a file lies there, be it readable or not. */
export async function isThere(path: string): Promise<boolean> {
  return (await lookAtPath(path).catch(() => null)) !== null;
}
