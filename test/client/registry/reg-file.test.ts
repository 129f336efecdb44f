// The codec of .reg files: what was written is read, whatever the registry holds; damage is refused with its line.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeRegFile,
  encodeRegFile,
  encodeRegSections,
  REG_BINARY,
  REG_DWORD,
  REG_SZ,
  type RegKey,
} from '../../../client/registry/reg-file.ts';
import { linesOf, textOf } from '../../../client/registry/reg-value.ts';

const utf16 = (text: string) => Buffer.from(text, 'utf16le');
const file = (text: string) => utf16(`\uFEFF${text.replaceAll('\n', '\r\n')}`);
const HEADER = 'Windows Registry Editor Version 5.00\n\n';

/** Any UTF-16, halves of characters too, but no NUL and no line break: what names can hold in such a file. */
const name = fc
  .string({ unit: 'binary', maxLength: 40 })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is left out
  .map((text) => text.replace(/[\u0000-\u001f]/g, 'x'));
const value = fc.record({
  name,
  type: fc.constantFrom(0, 1, 2, 3, 4, 7, 11, 0x7fffffff),
  data: fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({ unit: 'binary', maxLength: 60 }).map((text) => new Uint8Array(utf16(`${text}\0`))),
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
  ),
});
const key = fc
  .record({ path: name, values: fc.array(value, { maxLength: 6 }) })
  .map(({ path, values }): RegKey => ({ path: `HKEY_USERS\\${path}`, values }));

const plain = (keys: readonly RegKey[]) =>
  keys.map(({ path, values }) => ({
    path,
    values: values.map((one) => ({ ...one, data: Buffer.from(one.data).toString('hex') })),
  }));

describe('written and read', () => {
  test('nothing is lost', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 5 }), (keys) => {
        expect(plain(decodeRegFile(encodeRegFile(keys)))).toEqual(plain(keys));
      }),
      { numRuns: 300 },
    );
  });

  test('sections put behind a file are read as if they were its own', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 3 }), fc.array(key, { maxLength: 3 }), (first, more) => {
        const bytes = Buffer.concat([encodeRegFile(first), encodeRegSections(more)]);
        expect(plain(decodeRegFile(bytes))).toEqual(plain([...first, ...more]));
      }),
    );
  });

  test('a key that is removed is read as one', () => {
    const keys: RegKey[] = [{ path: 'HKEY_CURRENT_USER\\a', values: [], removed: true }];
    expect(decodeRegFile(encodeRegFile(keys))).toEqual(keys);
  });

  test('no line is longer than what reg.exe writes itself, but for text', () => {
    const data = Buffer.alloc(3_000, 0xab);
    const text = Buffer.from(
      encodeRegFile([{ path: 'HKEY_CURRENT_USER\\a', values: [{ name: 'b', type: REG_BINARY, data }] }]),
    ).toString('utf16le');
    expect(Math.max(...text.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

describe('read as Windows writes it', () => {
  test('text, number, bytes over lines, a default value, a comment', () => {
    const bytes = file(
      `${HEADER}[HKEY_CURRENT_USER\\Software\\A [b]]\n@="say \\"x\\""\n; a comment\n"n"=dword:0000000A\n"p"=hex(2):25,00,\\\n  41,00,00,00\n"e"=hex:\n"z"=hex(b):01,00,00,00,00,00,00,00\n\n[HKEY_CURRENT_USER\\B]\n`,
    );
    expect(plain(decodeRegFile(bytes))).toEqual([
      {
        path: 'HKEY_CURRENT_USER\\Software\\A [b]',
        values: [
          { name: '', type: REG_SZ, data: utf16('say "x"\0').toString('hex') },
          { name: 'n', type: REG_DWORD, data: '0a000000' },
          { name: 'p', type: 2, data: '250041000000' },
          { name: 'e', type: REG_BINARY, data: '' },
          { name: 'z', type: 11, data: '0100000000000000' },
        ],
      },
      { path: 'HKEY_CURRENT_USER\\B', values: [] },
    ]);
  });

  test('text over several lines stays as it is', () => {
    const [found] = decodeRegFile(file(`${HEADER}[HKEY_CURRENT_USER\\a]\n"s"="one\ntwo"\n"t"="three"\n`));
    expect(found?.values.map(textOf)).toEqual(['one\r\ntwo', 'three']);
  });

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['the old format', Buffer.from('REGEDIT4\r\n')],
    ['UTF-8', Buffer.from(`\uFEFF${HEADER}`, 'utf8')],
    ['another header', file('Something else\n')],
    ['a value in no key', file(`${HEADER}"a"="b"\n`)],
    ['a value in a key that is removed', file(`${HEADER}[-HKEY_CURRENT_USER\\a]\n"a"="b"\n`)],
    ['text without an end', file(`${HEADER}[HKEY_CURRENT_USER\\a]\n"a"="b`)],
    ['a key without an end', file(`${HEADER}[HKEY_CURRENT_USER\\a\n`)],
    ['bytes that are none', file(`${HEADER}[HKEY_CURRENT_USER\\a]\n"a"=hex:0g\n`)],
    ['a word', file(`${HEADER}[HKEY_CURRENT_USER\\a]\n"a"=word\n`)],
    ['a line of something', file(`${HEADER}[HKEY_CURRENT_USER\\a]\nnonsense\n`)],
  ])('%s is refused', (_, bytes) => {
    expect(() => decodeRegFile(bytes)).toThrow(/^A registry file can't be read: .* \(line \d+\)\.$/);
  });

  test('a mistake is told with its line', () => {
    expect(() => decodeRegFile(file(`${HEADER}[HKEY_CURRENT_USER\\a]\n"ok"="ok"\n"a"=word\n`))).toThrow(
      'line 5',
    );
  });
});

describe('a large file', () => {
  const COUNT = 200_000;
  const values = () => Array.from({ length: COUNT }, (_, n) => `"value ${n}"="text"`);

  test('of 200,000 values is read, and a mistake in its last line is told with its line', () => {
    const [found] = decodeRegFile(file(`${HEADER}[HKEY_CURRENT_USER\\a]\n${values().join('\n')}\n`));
    expect(found?.values).toHaveLength(COUNT);
    expect(found?.values.at(-1)?.name).toBe(`value ${COUNT - 1}`);
    // Header, blank line and key stand before the values.
    expect(() =>
      decodeRegFile(file(`${HEADER}[HKEY_CURRENT_USER\\a]\n${values().join('\n')}\n"x"=word\n`)),
    ).toThrow(`(line ${COUNT + 4})`);
  });

  test('with one value of 200,000 lines is read', () => {
    const lines = Array.from({ length: COUNT }, () => '  5a,5a,5a,5a').join(',\\\n');
    const [found] = decodeRegFile(file(`${HEADER}[HKEY_CURRENT_USER\\a]\n"b"=hex:\\\n${lines}\n`));
    expect(found?.values[0]?.data).toHaveLength(4 * COUNT);
  });
});

describe('the text of a value', () => {
  test.each([
    ['D:\\Poczta\\zażółć 邮件 📬.pst\0', 'D:\\Poczta\\zażółć 邮件 📬.pst'],
    ['C:\\a.pst', 'C:\\a.pst'],
    ['C:\\a.pst\0rest', 'C:\\a.pst'],
    ['\0', null],
  ])('%j as MAPI keeps it', (text, expected) => {
    expect(textOf({ name: '001f6700', type: REG_BINARY, data: utf16(text) })).toBe(expected);
  });

  test('a number has none, a list has lines', () => {
    expect(textOf({ name: 'n', type: REG_DWORD, data: Buffer.alloc(4) })).toBeNull();
    expect(linesOf({ name: 'm', type: 7, data: utf16('a\0b\0\0') })).toEqual(['a', 'b']);
    expect(linesOf({ name: 'm', type: 1, data: utf16('a\0') })).toEqual([]);
  });
});
