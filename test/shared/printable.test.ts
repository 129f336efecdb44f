// What a terminal would obey and what hides is written out; every letter of every script stays.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printable } from '../../shared/printable.ts';

describe('printable', () => {
  it.each([
    ['\u001b[2Jx', '\\u{1b}[2Jx'],
    ['a\r\nb', 'a\\u{d}\\u{a}b'],
    ['evil\u202egpj.exe', 'evil\\u{202e}gpj.exe'],
    ['a\u2066b\u2069', 'a\\u{2066}b\\u{2069}'],
    ['\u009b31m', '\\u{9b}31m'],
    ['zero\u200bwidth\ufeff', 'zero\\u{200b}width\\u{feff}'],
    ['\ud800', '\\u{d800}'],
    ['\udc00a', '\\u{dc00}a'],
  ])('writes %j out', (text, expected) => {
    expect(printable(text)).toBe(expected);
  });

  it.each(['Änne', 'C:\\Users\\me', '日本語', 'العربية', '😀', 'a b\u00a0c', 'e\u0301'])(
    'leaves %j as it is',
    (text) => {
      expect(printable(text)).toBe(text);
    },
  );

  it('leaves nothing that a terminal obeys, whatever it gets', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Bidi_Control}\p{Surrogate}]/u);
      }),
    );
  });
});
