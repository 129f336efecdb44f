// Hives by reg.exe, against a stand-in for it: loaded while they are asked, unloaded in every case, and later where that failed.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { regExe } from '../../../client/registry/reg-exe.ts';
import { HIVE_PREFIX } from '../../../client/registry/registry.ts';
import { tempDir } from '../../support/temp-dir.ts';

const DOUBLE = fileURLToPath(new URL('../../support/reg-double.mjs', import.meta.url));

function registry() {
  const folder = tempDir();
  const loaded = (key: string) => join(folder, key.replace('HKEY_USERS\\', ''));
  return {
    ...regExe({ command: [process.execPath, DOUBLE, folder], scratch: tempDir() }),
    isLoaded: (key: string) => existsSync(loaded(key)),
    load: (name: string) => writeFileSync(join(folder, name), ''),
    /** Somebody has a key of it open. */
    hold: (key: string) => writeFileSync(`${loaded(key)}.held`, ''),
    calls: () => readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n'),
  };
}

test('a hive is loaded for as long as it is used, under a key that is known to be ours', async () => {
  const reg = registry();
  const key = await reg.withHive('NTUSER.DAT', async (name) => {
    expect(reg.isLoaded(name)).toBe(true);
    return name;
  });
  expect(key.startsWith(`HKEY_USERS\\${HIVE_PREFIX}`)).toBe(true);
  expect(reg.calls()).toEqual([`load ${key} NTUSER.DAT`, `unload ${key}`]);
});

test('what fails while it is used is told, and it is unloaded', async () => {
  const reg = registry();
  const using = reg.withHive('NTUSER.DAT', async () => {
    throw new Error('the disk is gone');
  });
  await expect(using).rejects.toThrow('the disk is gone');
  expect(reg.calls().map((call) => call.split(' ')[0])).toEqual(['load', 'unload']);
});

test('that it can not be unloaded is told, but not in place of what failed before', async () => {
  const reg = registry();
  const held = reg.withHive('NTUSER.DAT', async (key) => reg.hold(key));
  await expect(held).rejects.toMatchObject({
    code: 'registry_failed',
    message: expect.stringContaining("can't unload"),
  });
  const both = reg.withHive('NTUSER.DAT', async (key) => {
    reg.hold(key);
    throw new Error('the disk is gone');
  });
  await expect(both).rejects.toThrow('the disk is gone');
});

test('what earlier processes left loaded is unloaded, nothing of others is, and what can not be is told', async () => {
  const reg = registry();
  const user = 'S-1-5-21-1004336348-1177238915-682003330-1001';
  for (const name of [user, '.DEFAULT', `${HIVE_PREFIX}a`, `${HIVE_PREFIX}b`, `${HIVE_PREFIX}c`])
    reg.load(name);
  reg.hold(`HKEY_USERS\\${HIVE_PREFIX}a`);
  const failures = await reg.unloadLeft();
  expect(failures.map(({ code, message }) => [code, message])).toEqual([
    ['registry_failed', `reg.exe can't unload HKEY_USERS\\${HIVE_PREFIX}a: it ended with 1.`],
  ]);
  const there = [user, '.DEFAULT', `${HIVE_PREFIX}a`, `${HIVE_PREFIX}b`, `${HIVE_PREFIX}c`];
  expect(there.map((name) => reg.isLoaded(`HKEY_USERS\\${name}`))).toEqual([true, true, true, false, false]);
  expect(reg.calls().filter((call) => call.startsWith('unload'))).toHaveLength(3);
});

test('a registry that can not be asked what is loaded is a failure that is told, and no more', async () => {
  const reg = regExe({ command: [join(tempDir(), 'reg.exe')], scratch: tempDir() });
  expect(await reg.unloadLeft()).toMatchObject([{ code: 'registry_failed' }]);
});
