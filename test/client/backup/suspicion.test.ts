// What was a good store and became something else, as a table.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type LastGood, type Shape, seenOf, suspicionOf } from '../../../client/backup/suspicion.ts';
import { parseStoreHeader } from '../../../shared/store-header.ts';
import { samplePaths } from '../../support/mail-file.ts';

const store = readFileSync(samplePaths()[0]!);
const sqlite = Buffer.alloc(8_192);
sqlite.write('SQLite format 3\0', 'latin1');
sqlite.writeUInt16BE(4_096, 16);
sqlite.writeUInt32BE(2, 28);
const mbox = Buffer.from(`From a@b Thu Jan  1 00:00:00 1970\n${'x'.repeat(200_000)}`);

function suspicion(path: string, was: Buffer, is: Buffer): string | null {
  const seen = (bytes: Buffer) => {
    const head = bytes.subarray(0, 4_096);
    return seenOf(
      { head, size: bytes.length },
      parseStoreHeader(head, bytes.length),
      bytes.every((byte) => byte === 0),
    );
  };
  const before: LastGood = { version: 'v', at: null, size: was.length, shape: seen(was).shape };
  return suspicionOf(path, before, seen(is));
}

test.each([
  ['a store, emptied', '/a.pst', store, Buffer.alloc(0), /empty/],
  ['a store, zeros', '/a.pst', store, Buffer.alloc(store.length), /zeros/],
  ['a store, noise', '/a.pst', store, randomBytes(store.length), /does not begin as an Outlook store/],
  ['a store, cut', '/a.pst', store, store.subarray(0, 2_000), /cut/],
  ['a store, cut inside its header', '/a.pst', store, store.subarray(0, 100), /cut/],
  ['a database, noise', '/a.sqlite', sqlite, randomBytes(8_192), /SQLite/],
  ['a database, cut', '/a.sqlite', sqlite, sqlite.subarray(0, 1_000), /cut/],
  ['an mbox, noise', '/Inbox', mbox, randomBytes(200_000), /mbox/],
  ['an mbox, cut', '/Inbox', mbox, mbox.subarray(0, 500), /cut/],
  ['an mbox, emptied', '/Inbox', mbox, Buffer.alloc(0), /empty/],
  ['any file, zeros', '/a.dat', Buffer.alloc(9_000, 5), Buffer.alloc(9_000), /zeros/],
  ['any file, emptied', '/a.dat', Buffer.from('text'), Buffer.alloc(0), /empty/],
])('C7: %s is suspect', (_, path, was, is, why) => {
  expect(suspicion(path, was, is)).toMatch(why);
});

test.each([
  ['a store that changed', '/a.pst', store, Buffer.concat([store, Buffer.alloc(9)])],
  ['a database that shrank by a vacuum', '/a.sqlite', Buffer.concat([sqlite, Buffer.alloc(900_000)]), sqlite],
  ['an mbox that was compacted', '/Inbox', mbox, mbox.subarray(0, 100_000)],
  ['a small file that became smaller', '/a.dat', Buffer.alloc(5_000, 1), Buffer.alloc(3, 1)],
  ['what was no store and is none', '/a.pst', Buffer.from('text'), Buffer.from('other')],
  ['a log of a database', '/a.sqlite-wal', Buffer.from('text'), Buffer.alloc(0)],
  ['what was empty', '/a.pst', Buffer.alloc(0), Buffer.alloc(0)],
])('C7: %s is not', (_, path, was, is) => {
  expect(suspicion(path, was, is)).toBeNull();
});

test('C7: without a state before nothing is suspect, and of one whose kind was not noted only what is certain', () => {
  const empty = { size: 0, shape: 'empty' as Shape, isCut: false };
  expect(suspicionOf('/a.pst', null, empty)).toBeNull();
  expect(suspicionOf('/a.pst', { version: 'v', at: null, size: 9, shape: null }, empty)).toMatch(/empty/);
});
