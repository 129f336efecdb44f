// Snapshot provider for Linux: read-only btrfs snapshots of the subvolume that holds the source.
import { execFile } from 'node:child_process';
import { lstat, stat, statfs } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { Failure } from '../../shared/failure.ts';
import { isFar } from '../far/files-here.ts';
import { systemProgram } from '../system-program.ts';
import type { SnapshotProvider, Volume } from './snapshot.ts';

const run = promisify(execFile);

/** Magic number of btrfs in statfs(2) (linux/magic.h). */
const BTRFS_MAGIC = 0x9123683e;
/** Inode of the root of every btrfs subvolume (btrfs on-disk format: BTRFS_FIRST_FREE_OBJECTID). */
const SUBVOLUME_INODE = 256;
/** Far more than a snapshot takes (tens of ms), far less than a person waits. */
const TIMEOUT_MS = 120_000;

async function subvolumeOf(path: string): Promise<Volume | null> {
  if (isFar(path)) return null;
  if ((await statfs(dirname(path))).type !== BTRFS_MAGIC) return null;
  for (let at = dirname(path); ; at = dirname(at)) {
    if ((await stat(at)).ino === SUBVOLUME_INODE) return { root: at };
    if (at === dirname(at)) return null;
  }
}

/** In the subvolume itself, since a snapshot can't leave its file system; hidden, and named as ours. */
function placeOf(volume: string, id: string): string {
  return join(volume, `.mailferry-snapshot-${id}`);
}

async function btrfs(...words: string[]): Promise<void> {
  const failed = (why: string, cause?: unknown) =>
    new Failure('snapshot_failed', `btrfs could not ${words[1]} a snapshot: ${why}.`, { cause });
  const program = systemProgram('btrfs');
  if (program === null)
    throw failed('the program `btrfs` (package btrfs-progs) is not installed where only root can replace it');
  try {
    await run(program, words, { timeout: TIMEOUT_MS });
  } catch (cause) {
    const said = String((cause as { stderr?: string }).stderr ?? '').trim();
    throw failed(said || String(cause), cause);
  }
}

export const btrfsSnapshots: SnapshotProvider = {
  kind: 'btrfs',
  volumeOf: (real) => subvolumeOf(real),
  async create(volume, id) {
    const root = placeOf(volume.root, id);
    // The kernel writes out what programs wrote before, so the frozen view holds it too.
    await btrfs('subvolume', 'snapshot', '-r', volume.root, root);
    return { root, handle: null, outlookRunning: null };
  },
  pathIn: (root, volume, real) => join(root, relative(volume.root, real)),
  exists: async ({ volume, id }) => (await lstat(placeOf(volume, id)).catch(() => null)) !== null,
  async remove({ volume, id }) {
    const place = placeOf(volume, id);
    const there = await lstat(place).catch(() => null);
    if (there) await btrfs('subvolume', 'delete', '--commit-after', place);
    return true;
  },
};
