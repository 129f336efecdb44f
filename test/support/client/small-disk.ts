// A disk that is soon full, for the running test: a tmpfs of a few bytes (root only).
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { lacks, lacksRoot } from '../programs.ts';

/** Why it could not be mounted, or null. */
function mount(path: string, bytes: number): string | null {
  const options = ['-t', 'tmpfs', '-o', `size=${bytes}`, 'mailferry-test', path];
  const { status, stderr } = spawnSync('mount', options, { encoding: 'utf8' });
  return status === 0 ? null : stderr.trim();
}

function unmount(path: string): void {
  spawnSync('umount', ['-l', path]);
}

/** null where such disks can be made here, else why not: root in a container often may not mount. */
export function lacksSmallDisk(): string | null {
  const lacking = lacksRoot() ?? lacks('mount', 'umount');
  if (lacking) return lacking;
  const path = mkdtempSync(join(tmpdir(), 'mailferry-test-'));
  const refused = mount(path, 65_536);
  if (!refused) unmount(path);
  rmdirSync(path);
  return refused && 'a tmpfs can not be mounted';
}

/** The path of a new disk of `bytes` below `root`, gone when the running test is over. */
export function smallDisk(root: string, bytes: number): string {
  const path = join(root, 'small');
  mkdirSync(path);
  const refused = mount(path, bytes);
  if (refused) throw new Error(refused);
  onTestFinished(() => unmount(path));
  return path;
}

/** Makes room on a disk of smallDisk(). */
export function enlarge(path: string, bytes: number): void {
  execFileSync('mount', ['-o', `remount,size=${bytes}`, path]);
}
