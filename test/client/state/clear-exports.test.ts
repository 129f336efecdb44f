// What earlier processes left of the registry, when the device starts: unloaded and removed as far as can be, said where not, and no
// reason not to start. A file that is held can't be removed, as on Windows, nor what it lies in.
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { withDevice } from '../../../client/device.ts';
import { removeAllThatCanBe } from '../../../client/durable-file.ts';
import { withScratch } from '../../../client/scratch-folder.ts';
import { saveIdentity, statePaths } from '../../../client/state/state-directory.ts';
import { surroundingsHere } from '../../support/client/surroundings.ts';
import { regFile } from '../../support/office.ts';
import { regFileRegistry } from '../../support/reg-file-registry.ts';
import { tempDir } from '../../support/temp-dir.ts';

const { held } = vi.hoisted(() => ({ held: new Set<string>() }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const rm: typeof real.rm = async (path, options) => {
    if ([...held].some((one) => one === path || one.startsWith(`${path}/`)))
      throw Object.assign(new Error('EBUSY: resource busy or locked'), { code: 'EBUSY' });
    return real.rm(path, options);
  };
  return { ...real, rm };
});
beforeEach(() => held.clear());

function write(...parts: string[]): string {
  const path = join(...parts);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, 'a secret');
  return path;
}

/** A device's state with a copy of a hive that a process left loaded, and an export beside it. */
async function left() {
  const paths = statePaths(tempDir());
  await saveIdentity(paths, {
    server: 'http://127.0.0.1:1',
    device: 'd',
    credential: 'c',
    receiptKey: 'k',
    secret: '7'.repeat(64),
  });
  const bytes = regFile([{ path: 'HKEY_USERS\\HIVE\\Software', values: [] }]);
  const registry = regFileRegistry([], { hives: new Map([['hive', bytes]]) });
  const hive = write(paths.exports, 'mailferry-a', 'mailferry-b', 'NTUSER.DAT');
  writeFileSync(hive, bytes);
  registry.held = true;
  await registry.withHive(hive, async () => undefined).catch(() => undefined);
  held.add(hive);
  const exported = write(paths.exports, 'mailferry-a', 'profiles.reg');
  const said: string[] = [];
  const started = () => {
    said.length = 0;
    const surroundings = surroundingsHere({ registry: () => registry });
    const progress = {
      report: () => undefined,
      say: (sentence: string) => said.push(sentence),
      clear: () => undefined,
    };
    return withDevice({ paths, surroundings, progress, quota: 1e9 }, async () => 'started');
  };
  return { paths, registry, hive, exported, said, started };
}

describe('the start of a device', () => {
  test('unloads what is loaded, and only then removes its file', async () => {
    const { registry, paths, hive, said, started } = await left();
    registry.held = false;
    const unload = registry.unloadLeft.bind(registry);
    vi.spyOn(registry, 'unloadLeft').mockImplementation(async () => {
      expect(existsSync(hive)).toBe(true);
      held.clear();
      return unload();
    });
    expect(await started()).toBe('started');
    expect(registry.loaded).toEqual([]);
    expect(existsSync(dirname(hive))).toBe(false);
    expect(existsSync(paths.exports)).toBe(true);
    expect(said).toEqual([]);
  });

  test('goes on where neither can be, says so, leaves no other secret, and tries again next time', async () => {
    const { registry, hive, exported, said, started } = await left();
    expect(await started()).toBe('started');
    expect(said).toEqual([
      expect.stringMatching(
        /^A copy of a user's registry stays loaded: .* can't unload HKEY_USERS.mailferry-/,
      ),
      `${hive} is a secret that an earlier run left, and can't be removed now. The next start tries again.`,
    ]);
    expect([existsSync(hive), existsSync(exported)]).toEqual([true, false]);
    registry.held = false;
    held.clear();
    expect(await started()).toBe('started');
    expect(said).toEqual([]);
    expect([registry.loaded, existsSync(hive)]).toEqual([[], false]);
  });
});

describe('a scratch folder', () => {
  test('of which something stays: that is told, and the result is kept where its user wants it', async () => {
    const told: string[] = [];
    let stays = '';
    const onLeft = (paths: readonly string[]) => told.push(...paths);
    const using = async (folder: string) => {
      stays = write(folder, 'in', 'stays');
      write(folder, 'goes');
      held.add(stays);
      return 'the result';
    };
    const below = tempDir();
    expect(await withScratch(using, { below, onLeft })).toBe('the result');
    expect(told).toEqual([stays]);
    expect(existsSync(join(dirname(stays), '..', 'goes'))).toBe(false);
    await expect(withScratch(using, { below })).rejects.toMatchObject({ code: 'state_unusable' });
  });

  test('of which something stays: what failed before is what is told', async () => {
    const failing = withScratch(
      async (folder) => {
        held.add(write(folder, 'stays'));
        throw new Error('the disk is gone');
      },
      { below: tempDir() },
    );
    await expect(failing).rejects.toThrow('the disk is gone');
  });
});

test('a folder that a link leads to is not emptied', async () => {
  const elsewhere = write(tempDir(), 'kept');
  const folder = tempDir();
  symlinkSync(dirname(elsewhere), join(folder, 'link'));
  held.add(join(folder, 'link'));
  expect(await removeAllThatCanBe(folder)).toEqual([join(folder, 'link')]);
  expect(existsSync(elsewhere)).toBe(true);
});
