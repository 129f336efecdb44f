// Tries again what a scanner or an indexer of Windows keeps from being done for a moment: they hold each new file while they read it.
import { platform } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * What Windows answers where another program has a file open without sharing it for deletion (ERROR_SHARING_VIOLATION is EBUSY,
 * ERROR_ACCESS_DENIED EPERM or EACCES), or has not let go of a file in a folder that is removed.
 */
const HELD = new Set(['EBUSY', 'EPERM', 'EACCES', 'ENOTEMPTY']);
/** How long a scanner is waited for: some take seconds for a large file. ms. */
const PATIENCE_MS = 8_000;
const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 500;

export interface Patience {
  readonly platform: string;
  readonly wait: (ms: number) => Promise<unknown>;
}

const HERE: Patience = { platform: platform(), wait: pause };

/**
 * Renames or removes a file or folder of ours by `work`, which is tried again for some seconds while another program holds it. Only on
 * Windows: elsewhere no open file keeps its name from being changed. The last failure is the caller's.
 */
export async function patiently<T>(work: () => Promise<T>, { platform, wait }: Patience = HERE): Promise<T> {
  let waited = 0;
  for (let ms = FIRST_WAIT_MS; ; ms = Math.min(2 * ms, LONGEST_WAIT_MS)) {
    try {
      return await work();
    } catch (error) {
      const held = platform === 'win32' && HELD.has((error as NodeJS.ErrnoException).code ?? '');
      if (!held || waited >= PATIENCE_MS) throw error;
    }
    await wait(ms);
    waited += ms;
  }
}

/** The same where what is left over is swept later, or never in anybody's way: that it stays is no failure. */
export async function patientlyOrLeft(
  work: () => Promise<unknown>,
  patience: Patience = HERE,
): Promise<void> {
  await patiently(work, patience).catch(() => {});
}

/** The same for the short steps of threads that wait for nothing else. */
export function patientlySync<T>(work: () => T): T {
  const until = performance.now() + PATIENCE_MS;
  for (let ms = FIRST_WAIT_MS; ; ms = Math.min(2 * ms, LONGEST_WAIT_MS)) {
    try {
      return work();
    } catch (error) {
      const held = platform() === 'win32' && HELD.has((error as NodeJS.ErrnoException).code ?? '');
      if (!held || performance.now() > until) throw error;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  }
}
