// Programs of the system: which file runs where others could have put one.
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { chooseService, requireFiles } from '../../client/service/choose-service.ts';
import { systemProgram, whoReplaces } from '../../client/system-program.ts';
import { PROGRAM, start } from '../support/mailferry.ts';
import { lacksRoot, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

const root = lacksRoot();
/** Another user's number; nobody has to have it. */
const OTHER = 4_711;

/** A program in a folder of its own. */
function program(folder: string, { owner = 0 } = {}): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'systemctl');
  writeFileSync(path, `#!/bin/sh\necho "$@" >> '${folder}/calls'\n`);
  chmodSync(path, 0o755);
  chownSync(path, owner, owner);
  return path;
}

test('H14: on Windows a program is the one of System32, whatever PATH says', () => {
  const env = { SystemRoot: 'D:\\Windows', PATH: 'C:\\Users\\a' };
  expect(systemProgram('sc.exe', { platform: 'win32', env })).toBe('D:\\Windows\\System32\\sc.exe');
  expect(systemProgram('sc.exe', { platform: 'win32', env: {} })).toBe('C:\\Windows\\System32\\sc.exe');
});

test('H14: a folder of PATH that is relative, or none, is never looked into', () => {
  const folder = tempDir();
  program(folder);
  const env = { PATH: `::.:bin:../bin:${folder}` };
  expect(systemProgram('systemctl', { platform: 'linux', env, uid: 1_000 })).toBe(join(folder, 'systemctl'));
  expect(systemProgram('systemctl', { platform: 'linux', env: { PATH: '.:' }, uid: 1_000 })).toBeNull();
  expect(systemProgram('systemctl', { platform: 'linux', env: {}, uid: 1_000 })).toBeNull();
});

/** What is done to a folder with a program in it, or in a folder below it. */
const PLANTED: [string, (folder: string) => void][] = [
  ['is of another user', (folder) => chownSync(join(folder, 'systemctl'), OTHER, OTHER)],
  ['all may write', (folder) => chmodSync(join(folder, 'systemctl'), 0o757)],
  ['lies in a folder of another user', (folder) => chownSync(folder, OTHER, OTHER)],
  ['lies in a folder that all may write', (folder) => chmodSync(folder, 0o777)],
  [
    'lies in a folder that another group may write',
    (folder) => {
      chmodSync(folder, 0o775);
      chownSync(folder, 0, OTHER);
    },
  ],
  ['lies below a folder of another user', (folder) => chownSync(dirname(folder), OTHER, OTHER)],
  [
    'is a link to one of another user',
    (folder) => {
      rmSync(join(folder, 'systemctl'));
      symlinkSync(program(`${folder}-else`, { owner: OTHER }), join(folder, 'systemctl'));
    },
  ],
];

test.skipIf(root !== null).each(PLANTED)(named('H14: root runs no program that %s', root), (_, plant) => {
  const base = tempDir();
  const folder = join(base, 'above', 'planted');
  program(folder);
  plant(folder);
  const ours = program(join(base, 'ours'));
  const PATH = [folder, join(base, 'ours')].join(':');
  expect(systemProgram('systemctl', { platform: 'linux', env: { PATH }, uid: 0 })).toBe(ours);
  expect(systemProgram('systemctl', { platform: 'linux', env: { PATH: folder }, uid: 0 })).toBeNull();
});

test.skipIf(root !== null)(
  named('H14: the program itself: what stands in PATH before the system’s is not run by root', root),
  async () => {
    const base = tempDir();
    const [planted, ours] = [join(base, 'planted'), join(base, 'ours')];
    program(planted, { owner: OTHER });
    program(ours);
    const env = { HOME: base, PATH: `${planted}:${ours}:${process.env.PATH}` };
    await start(process.execPath, [PROGRAM, 'service', 'status', '--user', '--json'], env).ended;
    expect(readFileSync(join(ours, 'calls'), 'utf8')).toContain('--user is-active mailferry.service');
    expect(() => readFileSync(join(planted, 'calls'))).toThrow('ENOENT');
  },
);

test.skipIf(root !== null)(
  named('H14: no service of the machine for a program that others can replace', root),
  () => {
    const base = tempDir();
    const [theirs, ours] = [program(join(base, 'a'), { owner: OTHER }), program(join(base, 'b'))];
    const linux = { platform: 'linux', env: {}, home: base };
    const asked = (self: [string, ...string[]], user = false) => {
      const machine = { ...linux, self };
      requireFiles(chooseService(machine, { user }), machine);
    };
    expect(() => asked([ours, theirs])).toThrow(theirs);
    expect(() => asked([theirs, ours])).toThrow(expect.objectContaining({ code: 'service_failed' }));
    asked([ours, ours]);
    // What a user runs as himself is his own.
    asked([theirs, theirs], true);
    expect(whoReplaces(join(base, 'missing'))).toBe(join(base, 'missing'));
  },
);

test('H14: nor on Windows for one in a user’s profile', () => {
  const machine = (self: string) => ({
    platform: 'win32',
    env: { PUBLIC: 'D:\\Users\\Public' },
    home: 'D:\\Users\\a',
    self: [self] as const,
  });
  const asked = (self: string) => requireFiles(chooseService(machine(self), { as: 'task' }), machine(self));
  expect(() => asked('d:\\users\\a\\AppData\\mailferry\\mailferry.exe')).toThrow(
    expect.objectContaining({ code: 'service_failed' }),
  );
  asked('C:\\Program Files\\Mailferry\\mailferry.exe');
});
