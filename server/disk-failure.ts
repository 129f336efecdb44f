// Tells apart what a disk or database can do to us: full is for the device to wait for, a failed fsync ends the server.
import { asFailure, Failure } from '../shared/failure.ts';

/** The last: the index of the write-ahead log could not grow, which SQLite calls an error of the disk (its result code 4874). */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE']);

/** The Failure that stands for `error` at the edge; a full disk is `server_full`, anything unknown `internal`. */
export function serverFailure(error: unknown): Failure {
  if (isFull(error)) {
    return new Failure('server_full', 'The server has no room left.', { cause: error });
  }
  return asFailure(error);
}

/** Whether there is no room on the disk. */
export function isFull(error: unknown): boolean {
  return FULL.has(codeOf(error));
}

/**
 * Whether the server must stop. After a failed fsync the kernel may call pages clean that never reached the disk, so
 * trying again would "succeed" without the data; only a new start, which looks at what is really there, is honest.
 */
export function isFatal(error: unknown): boolean {
  const causes = [error, error instanceof Error ? error.cause : undefined];
  return causes.some((cause) => {
    const syscall = (cause as { syscall?: unknown } | undefined)?.syscall;
    const syncFailed = (syscall === 'fsync' || syscall === 'fdatasync') && !FULL.has(codeOf(cause));
    if (isFull(cause)) return false;
    return syncFailed || codeOf(cause).startsWith('SQLITE_IOERR') || codeOf(cause) === 'SQLITE_CORRUPT';
  });
}

/** The system's or SQLite's code of an error, or the empty text. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
