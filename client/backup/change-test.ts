// The change test: whether a source has to be read at all, from what can be seen without reading it.
import { changeMark } from '../../shared/store-header.ts';

/** How a source looked: what is compared. A snapshot is made only where this differs from the last time. */
export interface SourceLook {
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970, with their fraction. */
  readonly mtimeMs: number;
  /** The first bytes of the file, at least 4096 where it has them. */
  readonly head: Uint8Array;
}

/**
 * One text that differs where the source changed: size, time of last writing, and for a mail store the counters of
 * its header ([MS-PST] 2.2.2.6: dwUnique and bidNextB rise with every transaction), since Outlook may put off the time.
 */
export function markOf(look: SourceLook): string {
  return [look.size, look.mtimeMs, changeMark(look.head) ?? '-'].join(' ');
}
