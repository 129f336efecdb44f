// The patterns of the setting `exclude`, as a table; and that no pattern takes long.
import { expect, test } from 'vitest';
import { excluder } from '../../../client/sources/exclude.ts';

const linux = { platform: 'linux', home: '/home/eva' };
const windows = { platform: 'win32', home: 'C:\\Users\\Eva' };

test.each([
  ['*.ost', '/home/eva/a.ost', true],
  ['*.ost', '/home/eva/a.OST', false],
  ['*.ost', '/home/eva/a.pst', false],
  ['Archive', '/home/eva/Archive/deep/a.pst', true],
  ['Archive', '/home/eva/Archives/a.pst', false],
  ['/home/eva/Old/**', '/home/eva/Old/x/a.pst', true],
  ['/home/eva/Old', '/home/eva/Old/x/a.pst', true],
  ['/home/eva/*.pst', '/home/eva/a.pst', true],
  ['/home/eva/*.pst', '/home/eva/x/a.pst', false],
  ['~/Old/*.pst', '/home/eva/Old/a.pst', true],
  ['Old/*.pst', '/home/eva/Old/a.pst', true],
  ['**/Old/**/a.pst', '/srv/Old/1/2/a.pst', true],
  ['**/Old/**/a.pst', '/srv/Old/a.pst', true],
  ['20[01]?.pst', '/x/2019.pst', true],
  ['20[01][0-9].pst', '/x/2019.pst', true],
  ['20[!01]*.pst', '/x/2019.pst', false],
  ['*.{ost,nst}', '/x/a.nst', true],
  ['{a,b}/{c,d}.pst', '/x/b/d.pst', true],
  ['a[.pst', '/x/a[.pst', true],
  ['.*', '/home/eva/.thunderbird/x', true],
  ['B\u00fcro', '/home/eva/Bu\u0308ro/a.pst', true],
  ['**/profile/**', 'set:/home/eva/profile', true],
  ['(a|b)+$.pst', '/x/(a|b)+$.pst', true],
])('C4: exclude %j and %j: %j', (pattern, path, left) => {
  expect(excluder([pattern], linux)(path)).toBe(left);
});

test.each([
  ['*.OST', 'C:\\Users\\Eva\\a.ost', true],
  ['c:\\users\\eva\\old\\**', 'C:\\Users\\Eva\\Old\\x\\a.pst', true],
  ['C:/Users/*/Old', 'c:\\users\\Tom\\old\\a.pst', true],
  ['~\\Old', '\\\\?\\C:\\Users\\Eva\\Old\\a.pst', true],
  ['\\\\nas\\share\\**', '\\\\?\\UNC\\nas\\share\\a.pst', true],
  ['D:\\**', 'C:\\a.pst', false],
])('C4: on Windows exclude %j and %j: %j', (pattern, path, left) => {
  expect(excluder([pattern], windows)(path)).toBe(left);
});

test('C4: without a pattern nothing is excluded, and no pattern takes long', () => {
  expect(excluder([], linux)('/a')).toBe(false);
  const name = `/x/${'a'.repeat(200)}b/${'a/'.repeat(500)}`;
  const evil = ['*a'.repeat(100), `${'**/a*/'.repeat(200)}z`, '{a,b}'.repeat(40)];
  expect(excluder(evil, linux)(name)).toBe(false);
});
