// Waiting that a stop ends.
import { setTimeout as timeout } from 'node:timers/promises';

/** Resolves after `ms`, or at once when `stop` is aborted. */
export async function pause(ms: number, stop: AbortSignal): Promise<void> {
  await timeout(ms, undefined, { signal: stop }).catch(() => {});
}
