// H8: root and LocalSystem read for users only what is theirs.
import {
  chmodSync,
  chownSync,
  lchownSync,
  linkSync,
  mkdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, win32 } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openSource } from '../../../client/backup/source-file.ts';
import { realPathForItsOwner } from '../../../client/far/files-here.ts';
import { assertForSystem } from '../../../client/far/for-its-owner.ts';
import { findSources } from '../../../client/sources/find-sources.ts';
import { text } from '../../support/office.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { left, listed, machine, paths, someUser } from '../../support/windows-machine.ts';

const JAN = 12_345;
const EVA = 12_346;

describe.skipIf(process.getuid?.() !== 0)('root, for two users (needs root)', () => {
  function homes() {
    const root = realpathSync(tempDir());
    chmodSync(root, 0o755);
    const home = (name: string, owner: number) => {
      const folder = join(root, name);
      mkdirSync(folder, { mode: 0o700 });
      chownSync(folder, owner, owner);
      return folder;
    };
    const file = (path: string, owner: number) => {
      writeFileSync(path, 'mail', { mode: 0o600 });
      chownSync(path, owner, owner);
      return path;
    };
    const link = (to: string, path: string, owner: number) => {
      symlinkSync(to, path);
      lchownSync(path, owner, owner);
      return path;
    };
    return { root, jan: home('jan', JAN), eva: home('eva', EVA), file, link };
  }

  const read = async (path: string, frozen = path) => {
    await (await openSource(frozen, path)).close();
    return realPathForItsOwner(path);
  };
  const refused = { code: 'source_of_another' };

  test("H8: their own file, also behind a link of theirs or of root's", async () => {
    const { root, jan, file, link } = homes();
    const real = file(join(jan, 'mail.pst'), JAN);
    expect(await read(real)).toBe(real);
    expect(await read(link(real, join(jan, 'link.pst'), JAN))).toBe(real);
    expect(await read(link(jan, join(root, 'janek'), 0)).catch((error) => error.code)).toBe(
      'source_not_a_file',
    );
    expect(await read(join(root, 'janek', 'mail.pst'))).toBe(real);
  });

  for (const owner of [0, EVA]) {
    const whose = owner === 0 ? 'root' : 'another user';
    test(`H8: a known store that is swapped for a link to a file of ${whose}`, async () => {
      const { root, jan, eva, file, link } = homes();
      const secret = file(owner === 0 ? join(root, 'shadow') : join(eva, 'shadow'), owner);
      const path = link(secret, join(jan, 'mail.pst'), JAN);
      await expect(openSource(path, path)).rejects.toMatchObject(refused);
      await expect(realPathForItsOwner(path)).rejects.toMatchObject({ code: 'EOTHERUSER' });
    });

    test(`H8: a folder above it that is swapped for a link to one of ${whose}`, async () => {
      const { root, jan, eva, file, link } = homes();
      const folder = join(owner === 0 ? root : eva, 'folder');
      mkdirSync(folder);
      file(join(folder, 'mail.pst'), owner);
      link(folder, join(jan, 'mail'), JAN);
      const path = join(jan, 'mail', 'mail.pst');
      await expect(openSource(path, path)).rejects.toMatchObject(refused);
    });

    test(`H8: a second name of a file of ${whose}`, async () => {
      const { root, jan, eva, file } = homes();
      const secret = file(join(owner === 0 ? root : eva, 'shadow'), owner);
      linkSync(secret, join(jan, 'mail.pst'));
      await expect(read(join(jan, 'mail.pst'))).rejects.toMatchObject(refused);
    });
  }

  test('H8: links that lead over a link of another user', async () => {
    const { root, jan, eva, file, link } = homes();
    const secret = file(join(root, 'shadow'), 0);
    link(secret, join(eva, 'hop'), EVA);
    await expect(read(link(join(eva, 'hop'), join(jan, 'mail.pst'), JAN))).rejects.toMatchObject(refused);
  });

  test('H8: a file of root in the folder of a user, which root put there, is read', async () => {
    const { jan, file } = homes();
    await read(file(join(jan, 'restored.pst'), 0));
  });

  test('H8: a link that was in the snapshot and is none any more', async () => {
    const { root, jan, file, link } = homes();
    const secret = file(join(root, 'shadow'), 0);
    const path = link(secret, join(jan, 'mail.pst'), JAN);
    const frozen = join(root, 'frozen');
    mkdirSync(frozen);
    renameSync(path, join(frozen, 'mail.pst'));
    file(path, JAN);
    await expect(openSource(join(frozen, 'mail.pst'), path)).rejects.toMatchObject(refused);
    rmSync(join(frozen, 'mail.pst'));
  });
});

describe('LocalSystem', () => {
  const SHADOW = '\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy7';
  const links = (link: string | null, real = '') => ({
    isLink: async (path: string) => path === link,
    realPath: async () => real,
  });
  const asked = (path: string, link: string | null = null, real = '') =>
    assertForSystem(path, links(link, real)).then(
      () => 'read',
      (error) => error.code as string,
    );

  for (const [path, end] of [
    ['C:\\Users\\jan\\mail.pst', 'read'],
    ['D:\\Mail\\a.pst', 'read'],
    ['\\\\?\\C:\\Users\\jan\\mail.pst', 'read'],
    [`${SHADOW}\\Users\\jan\\mail.pst`, 'read'],
    ['\\\\server\\share\\mail.pst', 'EOTHERUSER'],
    ['//server/share/mail.pst', 'EOTHERUSER'],
    ['\\\\?\\UNC\\server\\share\\mail.pst', 'EOTHERUSER'],
    ['\\\\.\\pipe\\mail.pst', 'EOTHERUSER'],
    ['\\\\.\\UNC\\server\\share\\mail.pst', 'EOTHERUSER'],
    ['\\\\?\\GLOBALROOT\\Device\\Mup\\server\\share\\mail.pst', 'EOTHERUSER'],
    ['\\\\?\\Volume{0b0c0d0e-0000-0000-0000-100000000000}\\mail.pst', 'EOTHERUSER'],
  ] as const)
    test(`H8: ${path}: ${end}`, async () => expect(await asked(path)).toBe(end));

  for (const [link, real, end] of [
    ['C:\\Users\\jan\\Mail', 'D:\\Mail\\mail.pst', 'read'],
    ['C:\\Users\\jan\\Mail', 'C:\\Users\\jan\\OneDrive\\mail.pst', 'read'],
    ['C:\\Users\\jan\\Mail', 'C:\\Users\\eva\\mail.pst', 'EOTHERUSER'],
    ['C:\\Users\\jan\\Mail', 'C:\\Windows\\System32\\config\\mail.pst', 'EOTHERUSER'],
    ['C:\\Users\\jan\\Mail\\mail.pst', '\\\\server\\share\\mail.pst', 'EOTHERUSER'],
  ] as const)
    test(`H8: a link at ${link} to ${real}: ${end}`, async () =>
      expect(await asked('C:\\Users\\jan\\Mail\\mail.pst', link, real)).toBe(end));

  test('H8: no link in a snapshot, which would lead to the live volume', async () => {
    expect(await asked(`${SHADOW}\\Users\\jan\\mail.pst`, `${SHADOW}\\Users\\jan`)).toBe('EOTHERUSER');
  });

  for (const [what, folder, isTaken] of [
    ["of another user's home", 'C:\\Users\\eva\\Bat', false],
    ["of Windows' own folder", 'C:\\Windows\\System32\\config', false],
    ["of another user's home by way of theirs", 'C:\\Users\\jan\\..\\eva\\Bat', false],
    ['of a disk', 'D:\\Bat', true],
    ['of their home', 'C:\\Users\\jan\\Bat', true],
  ] as const) {
    const place = (user: string) => {
      const jan = someUser('C:\\Users\\jan');
      const file = win32.join(folder, 'Konto', 'messages.tbb');
      const keys = [
        listed(jan),
        { path: jan.key, values: [] },
        { path: `${jan.key}\\Software\\RIT\\The Bat!`, values: [text('Working Directory', folder)] },
      ];
      const parts = { files: { [`${jan.home}\\x`]: '', [file]: '' }, keys, found: {}, leftOut: {} };
      return { file, one: machine(parts, { home: user }) };
    };

    test(`H8: a registry value that names a folder ${what}`, async () => {
      const { file, one } = place('C:\\Windows\\system32\\config\\systemprofile');
      const found = await findSources(one, { caches: false });
      expect(Object.keys(paths(found))).toEqual(isTaken ? [file] : []);
      expect(left(found)[file]).toBe(isTaken ? undefined : 'link');
    });
  }
});
