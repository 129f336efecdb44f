// Which mounts are far: by the kernel's list, with its escapes, mounts in mounts and mounts on mounts.
import { expect, test } from 'vitest';
import { farMountOf, parseMounts } from '../../../client/far/mounts.ts';

const MOUNTS = parseMounts(
  [
    '1 0 8:1 / / rw - ext4 /dev/sda1 rw',
    '2 1 0:30 / /home rw,relatime shared:1 master:2 - nfs4 server:/home rw',
    '3 2 8:2 / /home/ann/disk rw - xfs /dev/sdb1 rw',
    '4 1 0:31 / /mnt/with\\040blank\\134 rw - fuse.sshfs a:/ rw',
    '5 1 8:3 / /over rw - cifs //a/b rw',
    '6 1 8:3 / /over rw - tmpfs tmpfs rw',
    '7 1 0:32 / /ntfs rw - fuseblk /dev/sdc1 rw',
    'a line that is none',
  ].join('\n'),
);

test.each([
  ['/', null],
  ['/etc/fstab', null],
  ['/home', '/home'],
  ['/home/ann/x', '/home'],
  ['/homely', null],
  ['/home/ann/disk/a.pst', null],
  ['/home/ann/disks', '/home'],
  ['/mnt/with blank\\/x', '/mnt/with blank\\'],
  ['/over/x', null],
  ['/ntfs/a', '/ntfs'],
])('C5: %s lies on %s', (path, mount) => {
  expect(farMountOf(path, MOUNTS)).toBe(mount);
});

test('C5: the root is never far: where it does not answer, nothing runs', () => {
  expect(farMountOf('/a', parseMounts('1 0 0:1 / / rw - nfs server:/ rw'))).toBeNull();
});
