// Ranges and conditions, cell by cell, and against a naive reading for any header.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isKnown, rangeHolds, wantedRange } from '../../../server/http/range.ts';

describe('wantedRange', () => {
  it('never asks for a byte that is not there, whatever the header', () => {
    const header = fc.oneof(
      fc.string(),
      fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `bytes=${a}-${b}`),
    );
    fc.assert(
      fc.property(header, fc.nat(2_000_000), (text, size) => {
        const wanted = wantedRange(text, size);
        if (wanted.kind !== 'part') return;
        expect(wanted.from).toBeGreaterThanOrEqual(0);
        expect(wanted.to).toBeGreaterThan(wanted.from);
        expect(wanted.to).toBeLessThanOrEqual(size);
      }),
    );
  });

  it('has nothing to give of nothing', () => {
    expect(wantedRange(undefined, 0)).toEqual({ kind: 'whole' });
    expect(wantedRange('bytes=0-', 0)).toEqual({ kind: 'unsatisfiable' });
    expect(wantedRange('bytes=-1', 0)).toEqual({ kind: 'unsatisfiable' });
  });
});

describe('conditions', () => {
  const validators = { etag: '"a"', lastModified: 'Mon, 23 Nov 2026 08:00:00 GMT' };
  it('hold for the very validator only', () => {
    const cases: [string | undefined, boolean][] = [
      [undefined, true],
      ['"a"', true],
      [validators.lastModified, true],
      ['W/"a"', false],
      ['"b"', false],
      ['', false],
    ];
    for (const [header, holds] of cases)
      expect([header, rangeHolds(header, validators)]).toEqual([header, holds]);
  });

  it('compare weakly for If-None-Match', () => {
    const cases: [string | undefined, boolean][] = [
      [undefined, false],
      ['*', true],
      ['"a"', true],
      ['"b", W/"a"', true],
      ['"b"', false],
    ];
    for (const [header, known] of cases)
      expect([header, isKnown(header, validators)]).toEqual([header, known]);
  });
});
