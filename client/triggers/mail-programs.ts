// Trigger: a mail program started or ended. Its end is the best moment to read what it wrote, its start the last before more.
import { programOf } from '../sources/mail-programs.ts';
import type { Reason } from './look-plan.ts';
import type { Trigger } from './lookout.ts';

/** A running program: file name as the system tells it, and process id. */
export interface RunningProgram {
  readonly name: string;
  readonly pid: number;
}

/** What runs on this machine now. Rejects where that can't be found out. Called once in a poll. */
export type ProcessList = () => Promise<readonly RunningProgram[]>;

/** Between two looks at the processes: ms. One look costs a child process on Windows. */
const POLL_MS = 30_000;

/** Process ids of the mail programs among what runs. */
export function mailProgramsIn(running: readonly RunningProgram[]): ReadonlySet<number> {
  return new Set(running.filter(({ name }) => programOf(name)).map(({ pid }) => pid));
}

/** What the difference between two looks is a reason for. */
export function programReasons(before: ReadonlySet<number>, after: ReadonlySet<number>): Reason[] {
  const reasons: Reason[] = [];
  if ([...after].some((pid) => !before.has(pid))) reasons.push('mail-program-started');
  if ([...before].some((pid) => !after.has(pid))) reasons.push('mail-program-ended');
  return reasons;
}

/** Polls the processes. A look that fails says so once through `say`, and counts as no change. */
export function mailProgramTrigger(
  list: ProcessList,
  say: (sentence: string) => void,
  pollMs = POLL_MS,
): Trigger {
  return (tell, stop) => {
    let before: ReadonlySet<number> | null = null;
    let troubled = false;
    const poll = async () => {
      try {
        const after = mailProgramsIn(await list());
        for (const reason of before ? programReasons(before, after) : []) tell(reason);
        before = after;
        troubled = false;
      } catch (error) {
        if (!troubled) say(`Which mail programs run can't be found out: ${(error as Error).message}`);
        troubled = true;
      }
      if (!stop.aborted) setTimeout(poll, pollMs).unref();
    };
    void poll();
  };
}
