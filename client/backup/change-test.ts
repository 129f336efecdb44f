// The change test: whether a source has to be read at all, from what can be seen without reading it.
import type { FileRights } from '../../shared/protocol.ts';
import { changeMark } from '../../shared/store-header.ts';

/** How a source looked: what is compared. A snapshot is made only where this differs from the last time. */
export interface SourceLook {
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970, with their fraction. */
  readonly mtimeMs: number;
  /**
   * When the file's content, name or rights last changed, in the same unit: ctime, on NTFS the ChangeTime. No program can put it back,
   * as it can the size and mtime.
   */
  readonly ctimeMs: number;
  /** Null where the system has no such rights. */
  readonly rights: FileRights | null;
  /** The first bytes of the file, at least 4096 where it has them. */
  readonly head: Uint8Array;
}

/**
 * One text that differs where the source changed: size, time of last writing, for a mail store the counters of
 * its header ([MS-PST] 2.2.2.6: dwUnique and bidNextB rise with every transaction), since Outlook may put off the time,
 * and the time of the last change of any kind. A chmod, a rename or a new link changes that too: the source is then read
 * and found unchanged, which sends nothing. Marks of 0.1 lack it, so that each source is read once after an update: a state
 * that was taken for unchanged until then is found.
 */
export function markOf(look: Omit<SourceLook, 'rights'>): string {
  return [look.size, look.mtimeMs, changeMark(look.head) ?? '-', `c${look.ctimeMs}`].join(' ');
}
