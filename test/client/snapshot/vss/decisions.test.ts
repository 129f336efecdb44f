// What the VSS provider decides, as tables: which volume holds a path, where that lies in a shadow copy, which one is ours.
import { win32 } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Look, Shadow } from '../../../../client/snapshot/vss/answer.ts';
import { Look as LookShape, readAnswer, readableError } from '../../../../client/snapshot/vss/answer.ts';
import { timeOfTry, waitBeforeNextTry } from '../../../../client/snapshot/vss/create-plan.ts';
import { whichIsOurs } from '../../../../client/snapshot/vss/ours.ts';
import { powershellProgram } from '../../../../client/snapshot/vss/powershell.ts';
import { shadowPath, volumeHolding } from '../../../../client/snapshot/vss/volumes.ts';

const device = (digit: string) => `\\\\?\\Volume{${digit.repeat(8)}-0000-0000-0000-000000000000}\\`;
const volume = (digit: string, name: string, more: Partial<Look['volumes'][number]> = {}) => ({
  device: device(digit),
  name,
  fileSystem: 'NTFS',
  driveType: 3,
  free: 1_000_000_000,
  ...more,
});

const look: Look = {
  volumes: [
    volume('c', 'C:\\'),
    volume('d', 'D:\\', { driveType: 2 }),
    volume('e', 'E:\\', { fileSystem: 'exFAT' }),
    volume('f', 'F:\\', { fileSystem: 'ReFS' }),
    volume('1', 'C:\\Mail\\'),
    volume('2', '\\\\?\\Volume{22222222-0000-0000-0000-000000000000}\\'),
    volume('9', 'R:\\', { driveType: 5, fileSystem: 'UDF' }),
    volume('8', 'Q:\\', { fileSystem: null }),
  ],
  mounts: [
    { folder: 'C:\\Mail', device: device('1') },
    { folder: 'C:\\Users\\a\\Archive', device: device('1') },
  ],
  shadows: [],
  storage: [],
  problem: null,
};

describe('the volume that holds a path', () => {
  test.each([
    ['C:\\Users\\a\\mail.pst', 'C:\\', 'c'],
    ['c:\\users\\A\\MAIL.PST', 'C:\\', 'c'],
    ['\\\\?\\C:\\Users\\a\\mail.pst', 'C:\\', 'c'],
    ['C:\\Mail\\mail.pst', 'C:\\Mail\\', '1'],
    ['C:\\Mailbox\\mail.pst', 'C:\\', 'c'],
    ['C:\\Users\\a\\Archive\\2019.pst', 'C:\\Users\\a\\Archive\\', '1'],
    ['C:\\Users\\a\\Archives\\2019.pst', 'C:\\', 'c'],
    ['C:\\Zażółć\\邮件 📬.pst', 'C:\\', 'c'],
  ])('%s is on %s', (path, root, digit) => {
    expect(volumeHolding(look, path, win32)).toEqual({ volume: { root, device: device(digit) } });
  });

  test.each([
    ['D:\\mail.pst', /removable disk/],
    ['E:\\mail.pst', /exFAT; Windows makes these shadow copies of NTFS alone/],
    ['F:\\mail.pst', /ReFS/],
    ['R:\\mail.pst', /a disc/],
    ['Q:\\mail.pst', /not formatted/],
    ['Z:\\mail.pst', /no volume of this machine/],
    ['\\\\server\\share\\mail.pst', /network drive/],
    ['\\\\?\\UNC\\server\\share\\mail.pst', /network drive/],
    ['C:\\', /no volume/],
  ])('%s can’t be frozen, and why is said in a sentence', (path, why) => {
    const holding = volumeHolding(look, path, win32);
    expect(holding).toEqual({ why: expect.stringMatching(why) });
    expect(holding).toEqual({ why: expect.stringMatching(/^[^\n]+\.$/) });
  });
});

describe('the path in a shadow copy', () => {
  const SHADOW = '\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy12';
  test.each([
    ['C:\\', 'C:\\Users\\a\\mail.pst', '\\Users\\a\\mail.pst'],
    ['C:\\', 'c:/Users/a/mail.pst', '\\Users\\a\\mail.pst'],
    ['C:\\', '\\\\?\\C:\\Users\\a\\mail.pst', '\\Users\\a\\mail.pst'],
    ['C:\\Mail\\', 'C:\\mail\\x\\..\\mail.pst', '\\mail.pst'],
    ['C:\\', 'C:\\a\\.\\b', '\\a\\b'],
  ])('under %s, %s', (root, path, rest) => {
    expect(shadowPath(SHADOW, root, path, win32)).toBe(SHADOW + rest);
  });

  test.each([
    ['C:\\', 'C:\\'],
    ['C:\\', 'D:\\mail.pst'],
    ['C:\\Mail\\', 'C:\\Mail\\..\\mail.pst'],
    ['C:\\Mail\\', 'C:\\Mail'],
    ['C:\\', 'C:\\..'],
  ])('under %s, %s is refused: the root itself names a disk', (root, path) => {
    expect(() => shadowPath(SHADOW, root, path, win32)).toThrow(RangeError);
  });

  test('never leads out of the shadow copy', () => {
    const part = fc.constantFrom('a', '..', '.', 'Users', 'mail.pst', '', ' ', 'C:', '?');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        let path: string;
        try {
          path = shadowPath(SHADOW, 'C:\\', `C:\\${parts.join('\\')}`, win32);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          return;
        }
        const rest = path.slice(SHADOW.length + 1);
        expect(path.startsWith(`${SHADOW}\\`)).toBe(true);
        expect(rest).not.toBe('');
        expect(rest.split('\\')).not.toContain('..');
        expect(rest.split('\\')).not.toContain('.');
      }),
    );
  });
});

describe('which shadow copy is ours', () => {
  const AT = Date.parse('2026-11-24T08:00:00Z');
  const shadow = (id: number, seconds: number, more: Partial<Shadow> = {}): Shadow => ({
    id: `{00000000-0000-0000-0000-00000000000${id}}`,
    volume: device('c'),
    device: 'x',
    clientAccessible: true,
    noWriters: true,
    installed: new Date(AT + seconds * 1_000).toISOString(),
    ...more,
  });
  const asked = { volume: device('c').toUpperCase(), at: AT, others: new Set<string>() };
  const none = (settled: boolean) => ({ verdict: 'none', settled });

  test.each([
    ['one in the window', [shadow(1, 5)], 10, { verdict: 'one', id: shadow(1, 5).id }],
    ['one at each edge of it', [shadow(1, 0)], 10, { verdict: 'one', id: shadow(1, 0).id }],
    ['one at its end', [shadow(1, 180)], 200, { verdict: 'one', id: shadow(1, 0).id }],
    ['none at all, while one may come', [], 10, none(false)],
    ['none at all, when none can come', [], 181, none(true)],
    ['one that is older', [shadow(1, -1)], 10, none(false)],
    ['one that is newer', [shadow(1, 181)], 300, none(true)],
    ['one of another volume', [shadow(1, 5, { volume: device('d') })], 10, none(false)],
    ['one of another kind', [shadow(1, 5, { clientAccessible: false })], 10, none(false)],
    ['one with writers, as System Restore’s', [shadow(1, 5, { noWriters: false })], 10, none(false)],
    [
      'ours beside such a one',
      [shadow(1, 5, { noWriters: false }), shadow(2, 6)],
      10,
      { verdict: 'one', id: shadow(2, 0).id },
    ],
    ['one without a date', [shadow(1, 5, { installed: '' })], 300, none(true)],
    [
      'two',
      [shadow(1, 5), shadow(2, 6)],
      10,
      { verdict: 'several', ids: [shadow(1, 0).id, shadow(2, 0).id] },
    ],
  ])('%s', (_, shadows, seconds, expected) => {
    expect(whichIsOurs(shadows, asked, AT + seconds * 1_000)).toEqual(expected);
  });

  test('one that is known as another of ours is not counted', () => {
    const others = new Set([shadow(2, 0).id.toLowerCase()]);
    expect(whichIsOurs([shadow(1, 5), shadow(2, 6)], { ...asked, others }, AT)).toEqual({
      verdict: 'one',
      id: shadow(1, 5).id,
    });
  });
});

test.each([
  ['never', 1, 0, null],
  ['once', 1, 0, 30_000],
  ['once', 2, 31_000, null],
  ['once', 1, 60_000, 30_000],
  ['once', 1, 60_001, null],
  ['soon', 1, 0, 7_500],
  ['soon', 12, 82_500, 7_500],
  ['soon', 13, 82_501, null],
] as const)('%s, after %d tries and %d ms: %s', (again, tries, elapsed, expected) => {
  expect(waitBeforeNextTry({ again, tries, elapsed, deadline: 120_000, chance: 0.5 })).toBe(expected);
});

test.each([
  ['the first', 0, 120_000, 120_000],
  ['a later one', 50_000, 120_000, 70_000],
  ['one that a machine’s sleep put off', 3_600_000, 120_000, 30_000],
  ['one before which the clock was set back', -3_600_000, 120_000, 120_000],
  ['the first of a short deadline', 0, 1_000, 1_000],
])('%s, at %d of %d ms, has %d ms', (_, elapsed, deadline, expected) => {
  expect(timeOfTry({ elapsed, deadline })).toBe(expected);
});

test.each([
  [undefined, 'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe'],
  ['D:\\WINNT', 'D:\\WINNT\\System32\\WindowsPowerShell\\v1.0\\powershell.exe'],
])('PowerShell of %s is %s', (root, program) => {
  expect(powershellProgram(root)).toBe(program);
});

describe('what PowerShell wrote', () => {
  const framed = (result: unknown) => ({
    code: 0,
    signal: null,
    stdout: `<<mailferry:${JSON.stringify({ request: 'r', result })}:mailferry>>`,
    stderr: '',
  });

  test('a list that is wrapped in value and Count is a list', () => {
    const wrapped = { value: look.volumes, Count: look.volumes.length };
    expect(readAnswer(framed({ ...look, volumes: wrapped }), 'r', LookShape)).toEqual({
      kind: 'result',
      result: look,
    });
  });

  test('anything at all is an answer or a reason, never an exception', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.integer(), (stdout, stderr, code) => {
        expect(readAnswer({ code, signal: null, stdout, stderr }, 'r', LookShape).kind).toBe('silent');
        const inside = `<<mailferry:${stdout}:mailferry>>`;
        expect(readAnswer({ code, signal: null, stdout: inside, stderr }, 'r', LookShape).kind).toBe(
          'silent',
        );
      }),
    );
  });

  test('foreign text is one short line without control characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
        const said = readableError(text);
        expect(said).not.toMatch(/\p{Cc}/u);
        expect(said.length).toBeLessThan(210);
      }),
    );
  });
});
