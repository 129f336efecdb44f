// A mount that can be made to block: a FUSE file system of one file, whose program is stopped, or takes what it is asked and never answers.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { lacks, lacksRoot } from './programs.ts';
import { tempDir } from './temp-dir.ts';

/** null where such a mount can be made, else why not. */
export function lacksFuse(): string | null {
  return lacksRoot() ?? lacks('gcc', 'umount') ?? (existsSync('/dev/fuse') ? null : 'there is no /dev/fuse');
}

export interface OneFileFuse {
  /** The one file. */
  readonly path: string;
  /** `stopped`: nobody takes what is asked. `silent`: it is taken, so that who asks can't even be killed. */
  block(how: 'stopped' | 'silent'): void;
  /** All that was asked fails, and the mount is gone. */
  end(): void;
}

/** Shows `file` at `mountpoint`, which is made; it ends with the test. */
export async function oneFileFuse(mountpoint: string, file: string): Promise<OneFileFuse> {
  const program = join(tempDir(), 'one-file-fuse');
  execFileSync('gcc', ['-o', program, fileURLToPath(new URL('./one-file-fuse.c', import.meta.url))]);
  mkdirSync(mountpoint, { recursive: true });
  const running = spawn(program, [mountpoint, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    running.kill('SIGKILL');
    spawnSync('umount', ['-l', mountpoint]);
  };
  onTestFinished(end);
  await once(running.stdout, 'data');
  return {
    path: join(mountpoint, 'known.pst'),
    block: (how) => void running.kill(how === 'stopped' ? 'SIGSTOP' : 'SIGUSR1'),
    end,
  };
}
