// Faults in system calls: a small library that is loaded into a process before its own (calls.c), compiled when it is first needed.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { built, type Launch } from './program.ts';

/** Calls that make something durable, visible or gone. */
export const CALLS = [
  'rename',
  'fsync',
  'fdatasync',
  'unlink',
  'rmdir',
  'mkdir',
  'ftruncate',
  'pwrite',
  'pwritev',
  // A file without a position, such as a pack that is written on the device.
  'write',
] as const;

export interface CallFault {
  readonly call: (typeof CALLS)[number];
  /** The n-th call of the process, over all its threads, from 1. */
  readonly nth: number;
  /** The process dies before it or behind it; or an error number (errno.h) that it fails with. */
  readonly effect: 'before' | 'after' | number;
  /** Every later one fails, too. */
  readonly ever?: boolean;
}

/** A start that meets a fault, if its process comes as far as that. */
interface FaultyLaunch extends Launch {
  /** Whether the process met it. */
  met(): boolean;
}

let library: string | undefined;
let marks = 0;

/** What a process is started with so that it meets a fault. `below`: the folder of what it keeps; only there a `write` counts. */
export function withFault({ call, nth, effect, ever }: CallFault, below: string): FaultyLaunch {
  if (!library || !existsSync(library)) {
    library = join(mkdtempSync(join(tmpdir(), 'mailferry-calls-')), 'calls.so');
    const source = built('../test/campaign/calls.c');
    execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
  }
  const mark = join(dirname(library), `met-${marks++}`);
  return {
    met: () => existsSync(mark),
    env: {
      CAMPAIGN_MARK: mark,
      LD_PRELOAD: library,
      CAMPAIGN_CALL: call,
      CAMPAIGN_BELOW: below,
      CAMPAIGN_NTH: String(nth),
      CAMPAIGN_EFFECT: String(effect),
      CAMPAIGN_EVER: ever ? '1' : '0',
    },
  };
}

/** Removes the library, and the marks of what was met. It is made again when it is needed. */
export function dropLibrary(): void {
  if (library) rmSync(dirname(library), { recursive: true, force: true });
  library = undefined;
}
