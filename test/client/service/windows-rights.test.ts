// The rights of a state directory on Windows: which programs are run on what, in which order, and what is never touched.
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { assertOwnFolder, protectFolder } from '../../../client/service/windows-rights.ts';
import { tempDir } from '../../support/temp-dir.ts';

let folder: string;
beforeEach(() => {
  folder = join(tempDir(), 'mf');
});

const TWO = `NT AUTHORITY\\SYSTEM:(OI)(CI)(F)
                   BUILTIN\\Administratorzy:(OI)(CI)(F)

Pomyślnie przetworzono pliki: 1; niepowodzenie: 0
`;
const GRANTS = '/inheritance:r /grant:r *S-1-5-18:(OI)(CI)F /grant:r *S-1-5-32-544:(OI)(CI)F /Q';

/** What was run; icacls lists these entries. */
async function protect(entries: string, onRun: (command: string) => void = () => {}): Promise<string[]> {
  const ran: string[] = [];
  await protectFolder(folder, async (program, words) => {
    const command = [program, ...words].join(' ');
    ran.push(command.replaceAll(folder, 'DIR').replaceAll(sep, '/'));
    onRun(command);
    return words.length === 1 ? `${folder} ${entries}` : '';
  });
  return ran;
}

test('a new one is made; administrators own it, and two grants by SID are all there is', async () => {
  expect(await protect(TWO)).toEqual(['takeown.exe /F DIR /A', `icacls.exe DIR ${GRANTS}`, 'icacls.exe DIR']);
  expect(existsSync(folder)).toBe(true);
});

test.each([
  ['one more', `${TWO.replace('\n\n', '\n                   PC\\jan:(OI)(CI)(F)\n\n')}`],
  ['one that denies', `Everyone:(DENY)(S,RD)\n                   ${TWO}`],
  ['none that can be read', ''],
])('somebody made it and gave entries, %s: all go, and the two are given again', async (_, entries) => {
  expect(await protect(entries)).toEqual([
    'takeown.exe /F DIR /A',
    `icacls.exe DIR ${GRANTS}`,
    'icacls.exe DIR',
    'icacls.exe DIR /reset /Q',
    `icacls.exe DIR ${GRANTS}`,
  ]);
});

test('all below is owned and reset, each folder before what is in it', async () => {
  mkdirSync(join(folder, 'exports', 'deep'), { recursive: true });
  mkdirSync(join(folder, 'staging'));
  writeFileSync(join(folder, 'exports', 'deep', 'a.reg'), '');
  const ran = await protect(TWO);
  expect(ran.slice(3)).toEqual([
    ...['takeown.exe /F DIR/* /A', 'icacls.exe DIR/* /reset /Q'],
    ...['takeown.exe /F DIR/exports/* /A', 'icacls.exe DIR/exports/* /reset /Q'],
    ...['takeown.exe /F DIR/exports/deep/* /A', 'icacls.exe DIR/exports/deep/* /reset /Q'],
  ]);
});

test('a link in it is not followed: refused before, and when it comes in between', async () => {
  mkdirSync(join(folder, 'exports'), { recursive: true });
  const link = () => symlinkSync(tempDir(), join(folder, 'exports', 'link'), 'junction');
  const ran: string[] = [];
  const protecting = protect(TWO, (command) => {
    if (ran.push(command) === 1) link();
  });
  await expect(protecting).rejects.toMatchObject({ code: 'service_failed' });
  expect(ran.filter((command) => command.includes('link') || command.includes('exports/*'))).toEqual([]);
  await expect(assertOwnFolder(folder)).rejects.toThrow(/exports.link leads to another place/);
});

test('a folder with things of others is refused, one named after the program is its own', async () => {
  await assertOwnFolder(folder);
  mkdirSync(folder);
  for (const name of ['device.db-wal', 'device.db.damaged-2026', 'identity.json', 'agent.log.1', 'replaced'])
    writeFileSync(join(folder, name), '');
  await assertOwnFolder(folder);
  writeFileSync(join(folder, 'my letters.doc'), '');
  await expect(assertOwnFolder(folder)).rejects.toMatchObject({
    code: 'service_failed',
    message: expect.stringMatching(/my letters\.doc in it is not Mailferry's; .*--state/),
  });
  await expect(assertOwnFolder('/')).rejects.toThrow('whole volume');
  const named = join(tempDir(), 'Mailferry');
  mkdirSync(named);
  writeFileSync(join(named, 'ca.pem'), '');
  await assertOwnFolder(named);
  expect(readdirSync(named)).toEqual(['ca.pem']);
});
