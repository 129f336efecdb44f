// Watches a process and what it starts: CPU seconds and the peak memory of its largest process, from a start to a stop.
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, descendants, peakBytes, resetPeak } from './proc.ts';

export type Usage = { readonly cpuSeconds: number; readonly peakBytes: number };

/**
 * A child that ends between two looks keeps up to this much of its last growth to itself. Each look costs about a millisecond of the
 * same cores, which only peers with a server pay: more looks would be a measurement of themselves.
 */
const LOOK_EVERY_MS = 100;
/** A daemon's child outlives by a moment the client that it served. Its CPU time counts once it has ended. */
const LINGER_MS = 1000;

export type Watch = { readonly stop: () => Promise<Usage> };

export function watch(pid: number): Watch {
  for (const each of [pid, ...descendants(pid)]) resetPeak(each);
  const before = treeCpuSeconds(pid);
  let peak = 0;
  let now = before;
  const look = (): void => {
    now = Math.max(now, treeCpuSeconds(pid));
    peak = Math.max(peak, ...[pid, ...descendants(pid)].map(peakBytes));
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  look();
  return {
    stop: async () => {
      await childrenGone(pid);
      look();
      clearInterval(timer);
      return { cpuSeconds: now - before, peakBytes: peak };
    },
  };
}

function treeCpuSeconds(pid: number): number {
  return [pid, ...descendants(pid)].reduce((sum, each) => sum + cpuSeconds(each), 0);
}

async function childrenGone(pid: number): Promise<void> {
  const end = performance.now() + LINGER_MS;
  while (descendants(pid).length > 0 && performance.now() < end) await sleep(LOOK_EVERY_MS);
}
