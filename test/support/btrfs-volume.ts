// A btrfs volume in a file, mounted for a test.
import { execFileSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { lacks, lacksRoot } from './programs.ts';

/** null where btrfs volumes can be made here, else why not. */
export function lacksBtrfs(): string | null {
  return lacksRoot() ?? lacks('mkfs.btrfs', 'btrfs', 'losetup');
}

/** Makes and mounts a volume of `size` bytes below `root`; it is unmounted when the running test is over. */
export function btrfsVolume(root: string, size: number): string {
  const image = join(root, 'btrfs.img');
  const mount = join(root, 'volume');
  writeFileSync(image, '');
  truncateSync(image, size);
  mkdirSync(mount);
  execFileSync('mkfs.btrfs', ['-q', image]);
  execFileSync('mount', ['-o', 'loop', image, mount]);
  onTestFinished(() => void execFileSync('umount', ['-l', mount]));
  return mount;
}

/** The snapshots of ours on a volume. */
export function snapshotsOn(mount: string): string[] {
  const list = execFileSync('btrfs', ['subvolume', 'list', mount], { encoding: 'utf8' });
  return list.split('\n').filter((line) => line.includes('mailferry'));
}
