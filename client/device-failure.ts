// What errors of this machine's disk and database mean, as Failures that say what to do.
import { asFailure, Failure } from '../shared/failure.ts';

/** The second is of the index of the WAL, which could not grow: a file of 32 KiB beside the database. */
const SQLITE_HAS_NO_ROOM: readonly string[] = ['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE'];

/** Whether SQLite says that the database is not what it wrote. */
export function isStateDamage(error: unknown): boolean {
  if (error instanceof Failure) return error.code === 'state_damaged';
  return /^SQLITE_(CORRUPT|NOTADB)/.test(codeOf(error));
}

/** Whether there is no room on a disk, or none for this user. */
export function isDiskFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(codeOf(error));
}

/** `state_damaged` for a database that is not whole, `staging_full` where there is no room, or what asFailure() makes of it. */
export function deviceFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (isStateDamage(error))
    return new Failure('state_damaged', "The device's database is damaged.", { cause: error });
  if (isDiskFull(error) || SQLITE_HAS_NO_ROOM.includes(codeOf(error)))
    return new Failure('staging_full', "There is no room on the disk of the device's state.", {
      cause: error,
    });
  return asFailure(error);
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? '');
}
