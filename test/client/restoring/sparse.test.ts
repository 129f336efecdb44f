// C10: which bytes of a restore are written: everything but long runs of zeros.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { writtenRuns } from '../../../client/restoring/sparse.ts';

const page = 4_096;

test.each([
  ['nothing but zeros', Buffer.alloc(1_048_576), 0, []],
  ['no zeros', Buffer.alloc(3 * page, 1), 0, [{ from: 0, to: 3 * page }]],
  [
    'a short run of zeros is written',
    Buffer.concat([Buffer.alloc(page, 1), Buffer.alloc(3 * page), Buffer.alloc(page, 1)]),
    0,
    [{ from: 0, to: 5 * page }],
  ],
  [
    'a hole in the middle',
    Buffer.concat([Buffer.alloc(page, 1), Buffer.alloc(4 * page), Buffer.alloc(10, 1)]),
    0,
    [
      { from: 0, to: page },
      { from: 5 * page, to: 5 * page + 10 },
    ],
  ],
  [
    'a hole at the end of a chunk',
    Buffer.concat([Buffer.alloc(5, 1), Buffer.alloc(5 * page - 5)]),
    0,
    [{ from: 0, to: page }],
  ],
  [
    'zeros that begin and end inside of pages of the file',
    Buffer.alloc(6 * page),
    100,
    [{ from: 0, to: page - 100 }],
  ],
])('%s', (_, bytes, at, runs) => {
  expect(writtenRuns(bytes, at)).toEqual(runs);
});

test('what is not written is zero, and holes begin and end at pages of the file, or at the ends of the chunk', () => {
  const part = fc.oneof(
    fc.nat(7).map((pages) => Buffer.alloc(pages * page)),
    fc.nat(9_000).map((size) => Buffer.alloc(size)),
    fc.uint8Array({ maxLength: 5_000 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), fc.nat(20_000), (parts, at) => {
      const bytes = Buffer.concat(parts);
      const runs = writtenRuns(bytes, at);
      let end = 0;
      const rebuilt = Buffer.alloc(bytes.length);
      for (const { from, to } of runs) {
        expect(from < to && from >= end && to <= bytes.length).toBe(true);
        if (from > 0) expect((at + from) % page).toBe(0);
        bytes.copy(rebuilt, from, from, to);
        end = to;
      }
      expect(rebuilt.equals(bytes)).toBe(true);
    }),
  );
});
