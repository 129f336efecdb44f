// What a failure of the disk or of SQLite comes to: a full disk is waited for, whoever says it; a disk that fails ends the server.
import { expect, test } from 'vitest';
import { isFatal, serverFailure } from '../../server/disk-failure.ts';

const failed = (code: string, syscall?: string) => Object.assign(new Error(code), { code, syscall });

test.each(['ENOSPC', 'EDQUOT', 'SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE'])(
  'G3: %s is a full disk: it is told as that, and ends no server',
  (code) => {
    for (const error of [failed(code), failed(code, 'fsync'), new Error('x', { cause: failed(code) })])
      expect(isFatal(error)).toBe(false);
    expect(serverFailure(failed(code)).code).toBe('server_full');
  },
);

test.each([
  ['EIO', 'fsync'],
  ['EIO', 'fdatasync'],
  ['SQLITE_IOERR_FSYNC', undefined],
  ['SQLITE_IOERR_WRITE', undefined],
  ['SQLITE_CORRUPT', undefined],
])('%s of %s ends the server, also as a cause', (code, syscall) => {
  expect(isFatal(failed(code, syscall))).toBe(true);
  expect(isFatal(new Error('x', { cause: failed(code, syscall) }))).toBe(true);
});

test.each([
  ['EIO', 'read'],
  ['ENOENT', 'open'],
  ['SQLITE_BUSY', undefined],
])('%s of %s does not', (code, syscall) => {
  expect(isFatal(failed(code, syscall))).toBe(false);
});
