// What every registry does; each adapter and the double in memory run this.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  decodeRegFile,
  encodeRegFile,
  REG_BINARY,
  REG_DWORD,
  REG_EXPAND_SZ,
  REG_MULTI_SZ,
  REG_SZ,
  type RegKey,
} from '../../client/registry/reg-file.ts';
import { keyAt, textNamed } from '../../client/registry/reg-value.ts';
import type { Registry } from '../../client/registry/registry.ts';

const utf16 = (text: string) => Buffer.from(text, 'utf16le');

/** Values of every type, with the characters that break readers. */
export function trickyKeys(root: string): RegKey[] {
  return [
    { path: root, values: [{ name: '', type: REG_SZ, data: utf16('the default\0') }] },
    {
      path: `${root}\\Zażółć gęślą jaźń 邮件 📬`,
      values: [
        { name: 'quotes "and" back\\slashes', type: REG_SZ, data: utf16('C:\\a "b"\\\0') },
        { name: 'Łódź', type: REG_SZ, data: utf16('D:\\Poczta\\zażółć 邮件 📬.pst\0') },
        { name: 'expand', type: REG_EXPAND_SZ, data: utf16('%USERPROFILE%\\Dokumenty\0') },
        { name: 'multi', type: REG_MULTI_SZ, data: utf16('one\0two\0\0') },
        { name: 'number', type: REG_DWORD, data: Buffer.from([0xff, 1, 0, 0x80]) },
        { name: '001f6700', type: REG_BINARY, data: utf16('D:\\Poczta\\bardzo długa nazwa 📬.pst\0') },
        { name: 'long', type: REG_BINARY, data: Buffer.alloc(1_000, 0x5a) },
        { name: 'nothing', type: REG_BINARY, data: Buffer.alloc(0) },
      ],
    },
    { path: `${root}\\ends with ]`, values: [{ name: 'x', type: REG_SZ, data: utf16('y\0') }] },
  ];
}

export interface RegistryBench {
  open(): Registry;
  /** A folder that the registry can write to and this process can read, made for the running test. */
  folder(): string;
}

export function testRegistry(name: string, skip: boolean, bench: RegistryBench): void {
  const root = 'HKEY_CURRENT_USER\\Software\\Mailferry test';

  describe.skipIf(skip)(name, () => {
    test('takes every kind of value in, and gives it back as it was', async () => {
      const registry = bench.open();
      const folder = bench.folder();
      const keys = trickyKeys(root);
      writeFileSync(join(folder, 'in.reg'), encodeRegFile(keys));
      await registry.importFrom(join(folder, 'in.reg'));
      const read = await registry.read(root);
      for (const key of keys) {
        const there = keyAt(read, key.path);
        const sorted = (one: RegKey | undefined) =>
          [...(one?.values ?? [])]
            .map((value) => ({ ...value, data: Buffer.from(value.data).toString('hex') }))
            .sort((a, b) => (a.name < b.name ? -1 : 1));
        expect(there?.path).toBe(key.path);
        expect(sorted(there)).toEqual(sorted(key));
      }
      expect(read).toHaveLength(keys.length);
    });

    test('exports, forgets and takes back: the exports are equal, and only their owner can read them', async () => {
      const registry = bench.open();
      const folder = bench.folder();
      const [before, after] = [join(folder, 'before.reg'), join(folder, 'after.reg')];
      writeFileSync(join(folder, 'in.reg'), encodeRegFile(trickyKeys(root)));
      await registry.importFrom(join(folder, 'in.reg'));
      expect(await registry.exportTo(root, before)).toBe(true);
      writeFileSync(join(folder, 'gone.reg'), encodeRegFile([{ path: root, values: [], removed: true }]));
      await registry.importFrom(join(folder, 'gone.reg'));
      expect(await registry.read(root)).toBeNull();
      await registry.importFrom(before);
      expect(await registry.exportTo(root, after)).toBe(true);
      expect(readFileSync(after).equals(readFileSync(before))).toBe(true);
      expect(statSync(after).mode & 0o777).toBe(0o600);
    });

    test('a key that is not there is none, and leaves no file', async () => {
      const registry = bench.open();
      const file = join(bench.folder(), 'none.reg');
      expect(await registry.read(`${root} that is not there\\at all`)).toBeNull();
      expect(await registry.children(`${root} that is not there`)).toBeNull();
      expect(await registry.exportTo(`${root} that is not there`, file)).toBe(false);
      expect(existsSync(file)).toBe(false);
    });

    test('lists the keys directly below', async () => {
      const registry = bench.open();
      const folder = bench.folder();
      const path = `${root}\\list`;
      const keys = ['', '\\16.0', '\\16.0\\Outlook', '\\12.0'].map((end) => ({
        path: path + end,
        values: [],
      }));
      writeFileSync(join(folder, 'in.reg'), encodeRegFile(keys));
      await registry.importFrom(join(folder, 'in.reg'));
      expect([...((await registry.children(path)) ?? [])].sort()).toEqual(['12.0', '16.0']);
      expect(await registry.children(`${path}\\12.0`)).toEqual([]);
    });

    test('a hive that can not be loaded is a failure, and nothing stays loaded', async () => {
      const registry = bench.open();
      const file = join(bench.folder(), 'NTUSER.DAT');
      writeFileSync(file, 'no hive');
      await expect(registry.withHive(file, async () => 'used')).rejects.toMatchObject({
        code: 'registry_failed',
      });
      expect(
        ((await registry.children('HKEY_USERS')) ?? []).filter((each) => each.includes('mailferry')),
      ).toEqual([]);
      expect(await registry.unloadLeft()).toEqual([]);
    });

    test('a file that is no registry file is refused when it is read', () => {
      expect(() => decodeRegFile(utf16('\uFEFFHello\r\n'))).toThrow('header');
      expect(textNamed(undefined, 'x')).toBeNull();
    });
  });
}
