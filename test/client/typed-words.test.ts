import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { shellWord, shownPath } from '../../client/typed-words.ts';

describe('shownPath', () => {
  const cases: [path: string, cwd: string, home: string | null, shown: string][] = [
    ['/home/a/mail/b.pst', '/home/a/mail', '/home/a', 'b.pst'],
    ['/home/a/mail/b.pst', '/srv', '/home/a', '~/mail/b.pst'],
    ['/home/a/mail/b.pst', '/srv', null, '/home/a/mail/b.pst'],
    ['/home/ab/b.pst', '/home/a', '/home/a', '/home/ab/b.pst'],
    ['/b.pst', '/', '/root', 'b.pst'],
    ['/home/a/--json', '/home/a', null, './--json'],
    ['/home/a/..b/c', '/home/a', null, '..b/c'],
  ];
  test.each(cases)('%s from %s, home %s: %s', (path, cwd, home, shown) => {
    // A name that begins with two dots is below the folder all the same; it may be shown in full.
    const expected = shown.startsWith('..') ? [shown, path] : [shown];
    expect(expected).toContain(shownPath(path, { cwd, home }));
  });
});

describe('shellWord', () => {
  const names = [
    'plain.pst',
    "it's mine.pst",
    'a b',
    '$(touch x)',
    '`x`',
    'a"b',
    'back\\slash',
    '*',
    ';rm',
    'ü~',
    '-x',
  ];
  test.each(names)('a POSIX shell takes %s as one word, as it is', (name) => {
    const shown = execFileSync('sh', ['-c', `printf %s ${shellWord(name, 'linux')}`], { encoding: 'utf8' });
    expect(shown).toBe(name);
  });

  test('a path of Windows stays as it is, or is quoted', () => {
    expect(shellWord('C:\\Users\\me\\a.pst', 'win32')).toBe('C:\\Users\\me\\a.pst');
    expect(shellWord('C:\\Users\\me too\\a.pst', 'win32')).toBe('"C:\\Users\\me too\\a.pst"');
  });
});
