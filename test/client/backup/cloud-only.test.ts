// C18: a placeholder of a sync program is known by what is allotted to it, is never read, and no snapshot is made for it.
import { expect, test } from 'vitest';
import { isCloudOnly } from '../../../client/backup/cloud-only.ts';
import { lookAt } from '../../../client/backup/source-file.ts';
import type { OpenFile } from '../../../client/far/file-asks.ts';

test.each([
  ['a placeholder of 3 GB', 3_000_000_000, 0, 'win32', true],
  ['one of just above a record of NTFS', 4_097, 0, 'win32', true],
  ['a small file in its record', 600, 0, 'win32', false],
  ['an empty file', 0, 0, 'win32', false],
  ['a file that is here', 3_000_000_000, 5_859_376, 'win32', false],
  ['a file that is all hole, elsewhere', 3_000_000_000, 0, 'linux', false],
])('C18: %s', (_, size, blocks, platform, expected) => {
  expect(isCloudOnly({ size, blocks }, platform)).toBe(expected);
});

test('C18: not a byte of it is read', async () => {
  let reads = 0;
  const file = {
    stat: async () => ({ size: 10_000, blocks: 0, mtimeMs: 0, ctimeMs: 0, mode: 0, uid: 0, gid: 0 }),
    read: async () => {
      reads++;
      return { bytesRead: 0 };
    },
    close: async () => {},
  } as unknown as OpenFile;
  await expect(lookAt(file, 'C:\\mail.pst', 'win32')).rejects.toMatchObject({ code: 'source_cloud_only' });
  expect(reads).toBe(0);
  await expect(lookAt(file, '/mail.pst', 'linux')).resolves.toMatchObject({ size: 10_000 });
});
