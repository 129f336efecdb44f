// A file system of its own in a file: it can lose its power, and it can be full.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type FileSystem = 'ext4' | 'xfs';

const MKFS: Readonly<Record<FileSystem, readonly string[]>> = {
  ext4: ['mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=1,lazy_journal_init=1'],
  xfs: ['mkfs.xfs', '-q', '-f'],
};

/**
 * FS_IOC_SHUTDOWN (= XFS_IOC_GOINGDOWN, _IOR('X', 125, __u32)) with flag 2, NOLOGFLUSH: from this moment nothing reaches the image any
 * more, not even what is in the log's buffers. The kernel's own way to simulate a power cut (fs/ext4/ioctl.c, fs/xfs/xfs_fsops.c).
 */
const CUT = `for (@ARGV) { open(my $d, "<", $_) or die "$_: $!"; my $f = pack("L", 2); ioctl($d, 0x8004587D, $f) or die "$_: $!"; }`;

/** Cuts the power of all volumes at one moment, as far as one after another in the same millisecond is one. */
export function cutPower(volumes: readonly Volume[]): void {
  execFileSync('perl', ['-e', CUT, ...volumes.map((volume) => volume.mount)]);
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

export class Volume {
  readonly mount: string;
  readonly fileSystem: FileSystem;
  #image: string;

  /** Makes a volume of `bytes` (sparse) and mounts it at `mount`, which is made where it is missing. */
  constructor(
    image: string,
    mount: string,
    { fileSystem, bytes }: { fileSystem: FileSystem; bytes: number },
  ) {
    this.#image = image;
    this.mount = mount;
    this.fileSystem = fileSystem;
    writeFileSync(image, '');
    truncateSync(image, bytes);
    const [program, ...words] = MKFS[fileSystem];
    execFileSync(program!, [...words, image], { stdio: ['ignore', 'ignore', 'pipe'] });
    mkdirSync(mount, { recursive: true });
    this.attach();
    if (fileSystem === 'ext4') rmdirSync(join(mount, 'lost+found'));
  }

  attach(): void {
    // nouuid: the same file system may live on in another namespace (see #leave), which xfs takes for a mistake.
    const options = this.fileSystem === 'xfs' ? 'loop,nouuid' : 'loop';
    execFileSync('mount', ['-o', options, this.#image, this.mount], { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  /** Whoever used it is gone; a kernel that still holds a file of a killed process gets a moment. */
  detach(): void {
    for (let left = 50; ; left--) {
      const { status, stderr } = spawnSync('umount', [this.mount], { encoding: 'utf8' });
      if (status === 0 || stderr.includes('not mounted')) break;
      if (left === 0) throw new Error(`${this.mount} can't be unmounted: ${stderr}`);
      sleep(20);
    }
    for (let left = 5; left > 0 && this.#isHeld(); left--) sleep(10);
    if (this.#isHeld()) this.#leave();
  }

  #isHeld(): boolean {
    return execFileSync('losetup', ['-j', this.#image], { encoding: 'utf8' }) !== '';
  }

  /**
   * Another mount namespace, made by any program on this machine, took the mount with it: the file system lives on there, without
   * power. The image is final, so a copy of it is what lay on the disk.
   */
  #leave(): void {
    const copy = `${this.#image}+`;
    execFileSync('cp', ['--sparse=always', this.#image, copy]);
    rmSync(this.#image);
    this.#image = copy;
  }

  #ballast(): string {
    return join(this.mount, '.ballast');
  }

  /** Takes all room but about `leave` bytes. */
  fill(leave: number): void {
    const { bavail, bsize } = statfsSync(this.mount);
    const bytes = bavail * bsize - leave;
    if (bytes > 0) spawnSync('fallocate', ['-l', String(bytes), this.#ballast()]);
  }

  /** Gives the room back. */
  free(): void {
    rmSync(this.#ballast(), { force: true });
  }

  remove(): void {
    this.detach();
    rmSync(this.#image, { force: true });
  }
}
