// Which files this process has open (Linux only).
import { readdirSync, readlinkSync } from 'node:fs';

/** Paths of open files that begin with `root`, one for each descriptor. */
export function openFilesBelow(root: string): string[] {
  const open: string[] = [];
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      if (target.startsWith(root)) open.push(target);
    } catch {
      // The descriptor by which the folder itself was read is gone again.
    }
  }
  return open;
}
