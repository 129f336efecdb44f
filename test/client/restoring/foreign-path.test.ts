// Paths of other machines as places here: a table of what is dangerous, and what holds for any path at all.
import { posix, win32 } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exactBelow, placesBelow } from '../../../client/restoring/foreign-path.ts';
import { HOSTILE_NAMES } from '../../hostile/names.ts';

const SYSTEMS = [
  { way: posix, folder: '/to' },
  { way: win32, folder: 'C:\\to' },
];
/** What no file has that Windows shall take for itself. */
const NOT_ON_WINDOWS =
  /[<>:"/\\|?*\p{Cc}\p{Bidi_Control}]|[. ]$|^$|^(con|prn|aux|nul|conin\$|conout\$|com[\d\u00b9\u00b2\u00b3]|lpt[\d\u00b9\u00b2\u00b3]) *(\.|$)/iu;

/** What would lead elsewhere, or is not what it looks like, on any system. */
const NOT_ANYWHERE = /[/\p{Cc}\p{Bidi_Control}]|^\.{0,2}$/u;

const only = (path: string, { way, folder } = SYSTEMS[0]!) => placesBelow([path], folder, way).get(path)!;

describe('below a folder to look through', () => {
  // The third: where Linux and macOS can have what Windows can't.
  test.each<[path: string, windows: string, posix?: string]>([
    ['C:\\Users\\jan\\a.pst', '/to/C_/Users/jan/a.pst'],
    ['/home/jan/a.pst', '/to/home/jan/a.pst'],
    ['jan/a.pst', '/to/jan/a.pst'],
    ['\\\\host\\share\\a.pst', '/to/host/share/a.pst'],
    ['\\\\?\\UNC\\host\\share\\a.pst', '/to/host/share/a.pst'],
    ['HKEY_USERS\\S-1\\x', '/to/HKEY_USERS/S-1/x'],
    ['..\\..\\etc\\passwd', '/to/..%5C..%5Cetc%5Cpasswd', '/to/..\\..\\etc\\passwd'],
    ['/../../etc/passwd', '/to/.%2E/.%2E/etc/passwd'],
    ['C:\\..\\a/../b', '/to/C_/.%2E/a%2F..%2Fb'],
    ['\\\\?\\D:\\a. . \\b', '/to/D_/a. .%20/b', '/to/D_/a. . /b'],
    ['\\\\.\\PhysicalDrive0', '/to/%2E/PhysicalDrive0'],
    ['C:x', '/to/C%3Ax', '/to/C:x'],
    ['/a//b', '/to/a/%/b'],
    ['/', '/to/%'],
    ['/x/CON', '/to/x/%43ON', '/to/x/CON'],
    ['/x/nul .txt', '/to/x/%6Eul .txt', '/to/x/nul .txt'],
    ['/x/com\u00b9.pst', '/to/x/%63om\u00b9.pst', '/to/x/com\u00b9.pst'],
    ['/x/CONTACTS', '/to/x/CONTACTS'],
    ['/x/a.pst:evil', '/to/x/a.pst%3Aevil', '/to/x/a.pst:evil'],
    ['/x/new/1:2,S', '/to/x/new/1%3A2,S', '/to/x/new/1:2,S'],
    ['/x/<a>|"b"?*.', '/to/x/%3Ca%3E%7C%22b%22%3F%2A%2E', '/to/x/<a>|"b"?*.'],
    ['/x/%3A', '/to/x/%253A'],
    ['/x/%', '/to/x/%25'],
    ['/x/%~0123', '/to/x/%25~0123'],
    ['/x/%u202e', '/to/x/%25u202e'],
    ['/x/100%.pst', '/to/x/100%.pst'],
    ['/x/a\nb', '/to/x/a%0Ab'],
    ['/x/evil\u202egpj.exe', '/to/x/evil%u202Egpj.exe'],
    ['/x/a\ud800', '/to/x/a%uD800'],
    ['/x/\u{1f468}\u200d\u{1f469} می\u200cخواهم é', '/to/x/\u{1f468}\u200d\u{1f469} می\u200cخواهم é'],
  ])('D3: %j is %j', (path, to, posix = to) => {
    expect(only(path)).toBe(posix);
    expect(only(path, SYSTEMS[1])).toBe(`C:${to.replaceAll('/', '\\')}`);
  });

  test('what shares a place gets one of its own, in another case, in another form, as a folder', () => {
    const paths = ['/x/Mail', '/x/mail', '/x/e\u0301', '/x/\u00e9', '/x/a', '/x/a/b', '/x/a/c', 'x/A/c'];
    const places = placesBelow(paths, '/to', posix);
    expect(places.get('/x/a/b')).toBe('/to/x/a/b');
    expect(places.get('/x/Mail')).toBe('/to/x/Mail');
    expect(places.get('/x/a')).toMatch(/^\/to\/%~[0-9a-f]{16}\/a$/);
    expect(places.get('/x/mail')).toMatch(/^\/to\/%~[0-9a-f]{16}\/mail$/);
    // Whatever their order: a second run finds the same places.
    expect(placesBelow([...paths].reverse(), '/to', posix)).toEqual(places);
  });

  /** Names of every kind, and paths that are made of them. */
  const name = fc.oneof(
    fc.constantFrom(...HOSTILE_NAMES),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: fc.constantFrom('.', ' ', '/', '\\', ':', '%', 'a', 'A', '~'), maxLength: 6 }),
  );
  const anyPath = fc
    .tuple(
      fc.constantFrom('', '/', 'C:\\', '\\\\', '\\\\?\\', '/home/jan/', 'C:\\Users\\jan\\'),
      fc.array(name, { minLength: 1, maxLength: 4 }),
      fc.constantFrom('/', '\\'),
    )
    .map(([root, names, separator]) => root + names.join(separator));

  test.each(SYSTEMS)(
    'any paths at all: inside, harmless, short enough, each its own ($folder)',
    ({ way, folder }) => {
      fc.assert(
        fc.property(fc.array(anyPath, { maxLength: 8 }), (paths) => {
          const places = placesBelow(paths, folder, way);
          expect(places.size).toBe(new Set(paths).size);
          const lower = [...places.values()].map((to) => to.normalize('NFC').toLowerCase());
          expect(new Set(lower).size).toBe(places.size);
          for (const to of places.values()) {
            expect(way.resolve(to)).toBe(to);
            expect(to.startsWith(folder + way.sep)).toBe(true);
            for (const part of to.slice(folder.length + 1).split(way.sep)) {
              expect(part).not.toMatch(way === win32 ? NOT_ON_WINDOWS : NOT_ANYWHERE);
              expect(way === win32 ? part.length : Buffer.byteLength(part)).toBeLessThanOrEqual(255);
            }
          }
          for (const one of places.values())
            for (const other of places.values()) expect(other.startsWith(one + way.sep)).toBe(false);
        }),
        { numRuns: 300 },
      );
    },
  );

  test('a name can be read back from what was made of it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), (text) => {
        const written = posix.basename(only(`/x/${text.replaceAll('/', '')}y`));
        expect(unescape(written)).toBe(`${text.replaceAll('/', '')}y`);
      }),
    );
  });
});

describe('to the very names', () => {
  test.each(SYSTEMS)(
    'any names: below the folder and as they are, or refused ($folder)',
    ({ way, folder }) => {
      const name = fc.oneof(fc.constantFrom(...HOSTILE_NAMES), fc.string({ unit: 'binary', maxLength: 9 }));
      fc.assert(
        fc.property(fc.array(name, { maxLength: 3 }), (names) => {
          const place = exactBelow(folder, names, way);
          if ('refused' in place) return;
          expect(place.to).toBe([folder, ...names].join(way.sep));
          expect(way.resolve(place.to)).toBe(place.to);
          if (way === win32)
            for (const one of names)
              expect(one.replace(/[\p{Cc}\p{Bidi_Control}]/gu, (c) => (c < ' ' ? c : 'x'))).not.toMatch(
                NOT_ON_WINDOWS,
              );
        }),
        { numRuns: 500 },
      );
    },
  );
});
