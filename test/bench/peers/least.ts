// The least that is known to be possible for a day: a binary patch, made with both files at hand (zstd --patch-from).
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../child.ts';
import { runMeasured } from '../measured.ts';
import type { Room, StepCost } from './peer.ts';

/** The largest window that zstd has. Its memory is this and the earlier file: 3.2 GB for 1 GiB. */
const WINDOW_LOG = 31;
/** Level 9 gains 1 % here and takes twice as long: what the earlier file has needs no search. */
const LEVEL = 3;

export function leastMissing(): string | undefined {
  return findProgram('zstd') === undefined ? 'not installed: apt install zstd' : undefined;
}

export async function leastKnown(earlier: string, later: string, room: Room): Promise<StepCost> {
  const patch = join(room.directory, 'patch.zst');
  const args = [
    '-q',
    '-f',
    `-${LEVEL}`,
    `--long=${WINDOW_LOG}`,
    `--patch-from=${earlier}`,
    later,
    '-o',
    patch,
  ];
  const measured = await runMeasured({ command: 'zstd', args }, room.directory, room.signal);
  return {
    up: statSync(patch).size,
    down: null,
    wallSeconds: measured.wallSeconds,
    device: measured.usage,
    server: null,
  };
}
