// What a read of a source that failed comes to: one place for the scan and for the look before it.
import { Failure } from '../../shared/failure.ts';
import { SILENT } from '../far/far-mount.ts';

/**
 * `source_silent` where a far mount does not answer, `source_locked` where another program has locked what was to be read at byte `at`, else `source_unreadable`. Windows lets a file be
 * opened of which another program has locked a part: reading that fails.
 */
export function readFailure(path: string, at: number, cause: NodeJS.ErrnoException): Failure {
  if (cause.code === SILENT)
    return new Failure('source_silent', `${path} can't be read at byte ${at}: ${cause.message}.`, { cause });
  const locked = cause.code === 'EBUSY' || cause.code === 'EACCES';
  const why = locked ? 'is locked there by another program' : cause.message;
  return new Failure(
    locked ? 'source_locked' : 'source_unreadable',
    `${path} can't be read at byte ${at}: ${why}.`,
    { cause },
  );
}
