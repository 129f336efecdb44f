// The change test: another size, time or header is another text; the same look is the same text.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { markOf } from '../../../client/backup/change-test.ts';
import { samplePaths } from '../../support/mail-file.ts';

const head = readFileSync(samplePaths()[0]!).subarray(0, 4_096);
const look = { size: 13_984_768, mtimeMs: 1_700_000_000_000.125, ctimeMs: 1_700_000_000_001, head };

test('the same look, the same mark', () => {
  expect(markOf({ ...look, head: Buffer.from(head) })).toBe(markOf(look));
});

test('any other size or time, another mark', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.nat(),
      fc.double({ min: -1e12, max: 1e13, noNaN: true }),
      fc.double({ min: -1e12, max: 1e13, noNaN: true }),
      (size, otherSize, mtimeMs, otherMs) => {
        const same = size === otherSize && mtimeMs + 0 === otherMs + 0;
        const empty = new Uint8Array(0);
        expect(
          markOf({ size, mtimeMs, ctimeMs: 1, head: empty }) ===
            markOf({ size: otherSize, mtimeMs: otherMs, ctimeMs: 1, head: empty }),
        ).toBe(same);
      },
    ),
  );
});

test('a fraction of a millisecond counts', () => {
  expect(markOf({ ...look, mtimeMs: look.mtimeMs + 0.001 })).not.toBe(markOf(look));
});

test('a store whose counters rose, while size and time are the same', () => {
  const changed = Buffer.from(head);
  // dwUnique ([MS-PST] 2.2.2.6).
  changed.writeUInt32LE(changed.readUInt32LE(40) + 1, 40);
  expect(markOf({ ...look, head: changed })).not.toBe(markOf(look));
});

test('a head that is no store, cut short or empty', () => {
  for (const bytes of [Buffer.alloc(0), Buffer.from('!BDN'), Buffer.alloc(4_096, 7), head.subarray(0, 100)])
    expect(markOf({ ...look, head: bytes })).toBe(`${look.size} ${look.mtimeMs} - c${look.ctimeMs}`);
});

test('C6: content that changed while size and mtime were put back', () => {
  expect(markOf({ ...look, ctimeMs: look.ctimeMs + 0.001 })).not.toBe(markOf(look));
});
