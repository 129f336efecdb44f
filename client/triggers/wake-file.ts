// Trigger: another process asks for a look by touching a file, such as a scheduled task or `mailferry wake`.
import { existsSync, type FSWatcher, mkdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Reason } from './look-plan.ts';
import type { Trigger } from './lookout.ts';

/** Reasons that another process may give. */
export const WAKE_REASONS = ['asked', 'logon', 'unlock', 'resume', 'network-up'] as const satisfies Reason[];

export type WakeReason = (typeof WAKE_REASONS)[number];

const isWakeReason = (text: string): text is WakeReason => (WAKE_REASONS as readonly string[]).includes(text);

/** The folder, in a state directory, that holds one empty file for each reason given. */
function wakeFolder(stateRoot: string): string {
  return join(stateRoot, 'wake');
}

/** How long an agent may take to hear of it, in milliseconds, and how often that is looked at. */
const HEARD_MS = 2_000;
const LOOK_MS = 25;

/** Asks the agent that works in `stateRoot`, if there is one, for a look; whether one heard of it. */
export async function wake(stateRoot: string, reason: WakeReason): Promise<boolean> {
  const file = join(wakeFolder(stateRoot), reason);
  mkdirSync(wakeFolder(stateRoot), { recursive: true, mode: 0o700 });
  writeFileSync(file, '');
  // The agent takes the file away when it hears of it.
  for (let waited = 0; waited < HEARD_MS; waited += LOOK_MS) {
    if (!existsSync(file)) return true;
    await pause(LOOK_MS);
  }
  return false;
}

/** Tells the reasons that wake() gives from now on. Where the folder can't be watched, says so once: the schedule is left. */
export function wakeTrigger(stateRoot: string, say: (sentence: string) => void): Trigger {
  return (tell, stop) => {
    const folder = wakeFolder(stateRoot);
    let watcher: FSWatcher;
    const unwatched = (error: Error) => say(`${folder} can't be watched: ${error.message}.`);
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      watcher = watch(folder, { persistent: false });
    } catch (error) {
      unwatched(error as Error);
      return;
    }
    watcher.on('error', unwatched);
    watcher.on('change', (_, name) => {
      const reason = String(name);
      if (!isWakeReason(reason)) return;
      const file = join(folder, reason);
      // Taken away before it is told: a second wake makes it again. That it is gone already means that it was told.
      try {
        rmSync(file);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      }
      tell(reason);
    });
    stop.addEventListener('abort', () => watcher.close(), { once: true });
  };
}
