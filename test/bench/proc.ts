// What Linux tells of a process in /proc: CPU time, peak memory, children. A process that is gone reads as nothing.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** USER_HZ, which every Linux of today shows as 100 whatever it counts in. */
const TICKS_PER_SECOND = 100;
/** Fields of /proc/PID/stat after the name: own user and system time, then those of children that have been waited for. */
const FIRST_TIME_FIELD = 11;
const TIME_FIELDS = 4;
/** "5" to clear_refs sets the peak (VmHWM) back to what is resident now. */
const RESET_PEAK = '5';

/** CPU seconds of the process and of its children that have ended. */
export function cpuSeconds(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields
    .slice(FIRST_TIME_FIELD, FIRST_TIME_FIELD + TIME_FIELDS)
    .reduce((sum, field) => sum + Number(field), 0);
  return ticks / TICKS_PER_SECOND;
}

export function peakBytes(pid: number): number {
  const kibibytes = /^VmHWM:\s*(\d+) kB$/m.exec(read(`/proc/${pid}/status`));
  return kibibytes === null ? 0 : Number(kibibytes[1]) * 1024;
}

/** False where the system does not permit it: the peak then is that of the whole life of the process. */
export function resetPeak(pid: number): boolean {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, RESET_PEAK);
    return true;
  } catch {
    return false;
  }
}

/** The process's children, theirs, and so on. */
export function descendants(pid: number): number[] {
  const children = tasks(pid).flatMap((task) =>
    read(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean),
  );
  return children.map(Number).flatMap((child) => [child, ...descendants(child)]);
}

function tasks(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
