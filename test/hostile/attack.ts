// Runs hostile things by number, a few at a time, and gathers what was not refused as it should have been.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Chance, chanceOf } from './chance.ts';
import type { Target } from './target.ts';

export interface Outcome {
  /** How many of each kind were sent. */
  readonly kinds: Readonly<Record<string, number>>;
  readonly wrong: readonly string[];
}

export interface Attack {
  readonly seed: string;
  readonly what: 'requests' | 'packs' | 'costly';
  /** Numbers: from the first to below the last. */
  readonly from: number;
  readonly to: number;
  readonly atOnce: number;
}

/** Sends the things numbered from `from` to below `to`, `atOnce` at a time. Each can be made again alone: by seed, `what` and number. */
export async function attack(
  target: Target,
  options: Attack,
  send: (target: Target, chance: Chance) => Promise<{ name: string; wrong: string | null }>,
): Promise<Outcome> {
  const kinds: Record<string, number> = {};
  const wrong: string[] = [];
  let next = options.from;
  const work = async (): Promise<void> => {
    while (next < options.to) {
      const index = next++;
      const { name, wrong: found } = await send(target, chanceOf(options.seed, options.what, index));
      kinds[name] = (kinds[name] ?? 0) + 1;
      if (found) wrong.push(`${options.what} ${index} (${name}): ${found}`);
    }
  };
  await Promise.all(Array.from({ length: options.atOnce }, work));
  return { kinds, wrong };
}

/** The same from a process of its own. The program must be built. */
export async function attackFromOutside(target: Target, options: Attack): Promise<Outcome> {
  const child = forkHere('attacker', { HOSTILE_ATTACK: JSON.stringify({ target, ...options }) });
  try {
    const [outcome] = (await once(child, 'message')) as [Outcome];
    return outcome;
  } finally {
    child.kill();
  }
}

/** A program of this folder as it is built. */
function forkHere(name: string, env: Record<string, string>): ChildProcess {
  const built = import.meta.url.includes('/dist/') ? `./${name}.js` : `../../dist/test/hostile/${name}.js`;
  return fork(fileURLToPath(new URL(built, import.meta.url)), { env: { ...process.env, ...env } });
}

export interface Probed {
  readonly rounds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly failures: readonly string[];
}

/** Lets the honest device ask while `work` runs. The program must be built. */
export async function probed<T>(
  target: Target,
  work: () => Promise<T>,
): Promise<{ probe: Probed; result: T }> {
  const child = forkHere('probe', { HOSTILE_TARGET: JSON.stringify(target) });
  try {
    const result = await work();
    const said = once(child, 'message');
    child.send('over');
    const [{ times, failures }] = (await said) as [{ times: number[]; failures: string[] }];
    times.sort((a, b) => a - b);
    const at = (share: number): number =>
      times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
    return { probe: { rounds: times.length, p50: at(0.5), p95: at(0.95), failures }, result };
  } finally {
    child.kill();
  }
}

/** Resident memory of a process in bytes; null where the system does not tell. */
export function residentBytes(pid: number): number | null {
  try {
    const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) * 1_024;
  } catch {
    return null;
  }
}
