// Which mounts are far: answered by another machine or by a program, and so perhaps never. The kernel's own list tells; it never hangs.
import { readFileSync } from 'node:fs';

export interface Mount {
  /** Where it is mounted: an absolute path. */
  readonly point: string;
  /** Its file system, such as `ext4` or `fuse.sshfs`. */
  readonly type: string;
}

/** File systems that the kernel itself answers for, from a disk of this machine or from its memory. Any other one is far. */
const NEAR: ReadonlySet<string> = new Set(
  [
    'aufs bcachefs befs binfmt_misc bpf btrfs cgroup cgroup2 configfs cramfs debugfs devpts devtmpfs ecryptfs efivarfs erofs exfat ext2 ext3 ext4 f2fs',
    'hfs hfsplus hpfs hugetlbfs iso9660 jffs2 jfs minix mqueue msdos nilfs2 nsfs ntfs ntfs3 overlay proc pstore qnx4 ramfs reiserfs romfs',
    'securityfs squashfs sysfs tmpfs tracefs ubifs udf ufs vfat xfs zfs',
  ].flatMap((line) => line.split(' ')),
);

/** The mounts of a text as /proc/self/mountinfo has it (proc(5)), in its order: of two at one point the later one is seen. */
export function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const words = line.split(' ');
    const point = words[4];
    const type = words[words.indexOf('-', 6) + 1];
    if (point === undefined || words.indexOf('-', 6) < 0 || type === undefined) continue;
    // Blanks, tabs, line feeds and backslashes are written as their octal number.
    const plain = point.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    mounts.push({ point: plain, type });
  }
  return mounts;
}

/** Whether `path` is `point` or lies below it. Both absolute, with slashes. */
function isBelow(path: string, point: string): boolean {
  return point === '/' || path === point || path.startsWith(`${point}/`);
}

/**
 * The far mount that holds `path`, by its mount point; null where the path lies on a near one. `path` holds no link before its last
 * name. The root of the system is never far: where it does not answer, nothing runs.
 */
export function farMountOf(path: string, mounts: readonly Mount[]): string | null {
  let holder: Mount | null = null;
  for (const mount of mounts) {
    if (!isBelow(path, mount.point)) continue;
    if (holder === null || mount.point.length >= holder.point.length) holder = mount;
  }
  if (holder === null || holder.point === '/' || NEAR.has(holder.type)) return null;
  return holder.point;
}

/** How long a list of mounts is taken as it was read: ms. */
const FRESH_MS = 1_000;
let known: { readonly at: number; readonly mounts: readonly Mount[] } = { at: -FRESH_MS, mounts: [] };

/** The mounts of this machine, at most a second old; none where the machine has no such list, or no far mount is among them. */
export function mountsNow(): readonly Mount[] {
  if (process.platform !== 'linux') return [];
  const now = performance.now();
  if (now - known.at < FRESH_MS) return known.mounts;
  let mounts: Mount[] = [];
  try {
    mounts = parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  } catch {
    // Without /proc nothing can be told apart.
  }
  const anyFar = mounts.some(({ point, type }) => point !== '/' && !NEAR.has(type));
  known = { at: now, mounts: anyFar ? mounts : [] };
  return known.mounts;
}

/** File systems of disks, among the near ones. */
const DISKS = /^(bcachefs|btrfs|exfat|ext[234]|f2fs|hfsplus|jfs|ntfs3?|reiserfs|vfat|xfs|zfs)$/;

/** Where the disks of this machine are mounted, each once; those that people plug in (below /media and /run/media) are not among them. */
export function diskMounts(): string[] {
  let text = '';
  try {
    text = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return [];
  }
  const points = parseMounts(text)
    .filter(({ point, type }) => DISKS.test(type) && !/^(\/run)?\/media\//.test(point))
    .map(({ point }) => point);
  return [...new Set(points)].sort();
}
