// Restore of MAPI profiles over a registry in memory: what would change is told without values, what was there is kept.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeRegFile, encodeRegFile, type RegKey } from '../../../client/registry/reg-file.ts';
import { asUserOf, importProfiles, planProfiles, profilesRoot } from '../../../client/restoring/profiles.ts';
import { Failure } from '../../../shared/failure.ts';
import { mapi, text } from '../../support/office.ts';
import { regFileRegistry } from '../../support/reg-file-registry.ts';
import { tempDir } from '../../support/temp-dir.ts';

const OLD = 'HKEY_USERS\\S-1-5-21-9-9-9-1000';
const ME = 'HKEY_USERS\\S-1-5-21-1-2-3-1001';
const TAIL = '\\Software\\Microsoft\\Office\\16.0\\Outlook\\Profiles';
const root = ME + TAIL;

const profile = (user: string, name: string, store: string): RegKey[] => [
  { path: `${user}${TAIL}\\${name}`, values: [] },
  { path: `${user}${TAIL}\\${name}\\0a`, values: [mapi('001f6700', store)] },
];
const exported: RegKey[] = [
  { path: OLD + TAIL, values: [] },
  ...profile(OLD, 'Zażółć 📬', 'C:\\a.pst'),
  ...profile(OLD, 'Drugi', 'C:\\b.pst'),
  { path: `${OLD}\\Software\\Microsoft\\Office\\16.0\\Outlook`, values: [text('DefaultProfile', 'Drugi')] },
];

/** The files of an import, in a folder of the test. */
function files(folder: string) {
  return {
    keep: join(folder, 'keep.reg'),
    write: async (bytes: Uint8Array) => {
      writeFileSync(join(folder, 'in.reg'), bytes, { mode: 0o600 });
      return join(folder, 'in.reg');
    },
    remove: (file: string) => rm(file),
  };
}

async function restoreInto(present: RegKey[]) {
  const registry = regFileRegistry([encodeRegFile(present)]);
  const mine = asUserOf(exported, ME);
  const plan = planProfiles(mine, await registry.read(root), root);
  return { registry, plan };
}

describe('profiles', () => {
  test('of another user become this one’s', () => {
    expect(profilesRoot(OLD + TAIL, ME)).toBe(root);
    expect(asUserOf(exported, ME)[0]?.path).toBe(root);
    expect(asUserOf([{ path: `HKEY_CURRENT_USER${TAIL}`, values: [] }], ME)[0]?.path).toBe(root);
    expect(() => asUserOf([{ path: 'HKEY_LOCAL_MACHINE\\SOFTWARE', values: [] }], ME)).toThrow(
      'no key of a user',
    );
  });

  test('are added where there are none, with the default', async () => {
    const { registry, plan } = await restoreInto([]);
    expect(plan.changes).toEqual([
      { profile: 'Zażółć 📬', change: 'added' },
      { profile: 'Drugi', change: 'added' },
    ]);
    expect(plan.defaultProfile).toBe('Drugi');
    const folder = tempDir();
    expect(await importProfiles(registry, plan, files(folder))).toEqual({ kept: null });
    expect(existsSync(join(folder, 'in.reg'))).toBe(false);
    const again = planProfiles(asUserOf(exported, ME), await registry.read(root), root);
    expect(again.keys).toEqual([]);
    const above = await registry.read(`${ME}\\Software\\Microsoft\\Office\\16.0\\Outlook`);
    expect(above?.[0]?.values.map(({ name }) => name)).toEqual(['DefaultProfile']);
  });

  test('one that differs is replaced whole, one that only this machine has stays, what was there is kept', async () => {
    const present = [
      ...profile(ME, 'zażółć 📬', 'C:\\other.pst'),
      { path: `${root}\\zażółć 📬\\only here`, values: [text('x', 'y')] },
      ...profile(ME, 'Mój', 'C:\\mine.pst'),
      ...profile(ME, 'Drugi', 'C:\\b.pst'),
      { path: `${ME}\\Software\\Microsoft\\Office\\16.0\\Outlook`, values: [text('DefaultProfile', 'Mój')] },
    ];
    const { registry, plan } = await restoreInto(present);
    expect(plan.changes).toEqual([
      { profile: 'Zażółć 📬', change: 'replaced' },
      { profile: 'Drugi', change: 'same' },
    ]);
    const above = root.slice(0, -'\\Profiles'.length);
    const before = [...(await registry.read(root))!, (await registry.read(above))![0]!];
    const folder = tempDir();
    const { kept } = await importProfiles(registry, plan, files(folder));
    expect(statSync(kept!).mode & 0o777).toBe(0o600);
    expect(decodeRegFile(readFileSync(kept!))).toEqual(
      before.map((key) => ({
        ...key,
        values: key.values.map((value) => ({ ...value, data: expect.anything() })),
      })),
    );
    const now = (await registry.read(root))?.map(({ path }) => path);
    expect(now).not.toContain(`${root}\\zażółć 📬\\only here`);
    expect(now).toContain(`${root}\\Mój\\0a`);
  });

  test('an import that does not take is a failure that names what was kept', async () => {
    const { registry, plan } = await restoreInto(profile(ME, 'Drugi', 'C:\\c.pst'));
    const deaf = { ...registry, importFrom: async () => {} };
    const folder = tempDir();
    await expect(importProfiles(deaf, plan, files(folder))).rejects.toThrow(
      `what was there before is in ${join(folder, 'keep.reg')}`,
    );
    expect(existsSync(join(folder, 'in.reg'))).toBe(false);
  });

  test('an import that fails half-way names what was kept too', async () => {
    const { registry, plan } = await restoreInto(profile(ME, 'Drugi', 'C:\\c.pst'));
    const broken = {
      ...registry,
      importFrom: async () => {
        throw new Failure('registry_failed', 'reg.exe ended with 1.');
      },
    };
    const folder = tempDir();
    await expect(importProfiles(broken, plan, files(folder))).rejects.toMatchObject({
      code: 'registry_failed',
      message: expect.stringContaining(`what was there before is in ${join(folder, 'keep.reg')}`),
    });
    expect(existsSync(join(folder, 'in.reg'))).toBe(false);
  });

  test.each<[string, RegKey]>([
    ['a key beside them', { path: `${OLD}\\Software\\Classes\\CLSID\\{0}\\InprocServer32`, values: [] }],
    [
      'programs that start',
      { path: `${OLD}\\Software\\Microsoft\\Windows\\CurrentVersion\\Run`, values: [] },
    ],
    ['a key whose name begins like theirs', { path: `${OLD}${TAIL}2`, values: [] }],
    ['one removed', { path: `${OLD}${TAIL}\\Drugi`, values: [], removed: true }],
    ['one removed beside them', { path: `${OLD}\\Software\\Classes`, values: [], removed: true }],
    ['a key without a name', { path: `${OLD}${TAIL}\\`, values: [] }],
    [
      'a value whose name goes on in a line of its own',
      { path: `${OLD}${TAIL}\\a`, values: [text('a\n[b]', '')] },
    ],
    [
      'more than the default beside them',
      {
        path: `${OLD}\\Software\\Microsoft\\Office\\16.0\\Outlook`,
        values: [text('DefaultProfile', 'a'), text('ForcePSTPath', 'b')],
      },
    ],
    [
      'another value than the default beside them',
      { path: `${OLD}\\Software\\Microsoft\\Office\\16.0\\Outlook`, values: [text('ForcePSTPath', 'b')] },
    ],
    ['the default twice', exported.at(-1)!],
    ['a key of the machine', { path: 'HKEY_LOCAL_MACHINE\\SOFTWARE', values: [] }],
  ])('an export that reaches further is refused: %s', (_, key) => {
    expect(() => planProfiles(asUserOf([...exported, key], ME), null, root)).toThrow(
      expect.objectContaining({ code: 'target_refused' }),
    );
  });

  test.each([
    `${OLD}\\Software\\Microsoft\\Windows\\CurrentVersion\\Run`,
    `${OLD}\\Software\\Microsoft\\Office\\16.0\\Outlook`,
    `${OLD}${TAIL}\\Drugi`,
    `${OLD}\\x${TAIL}`,
    `${OLD}_Classes`,
    `HKEY_LOCAL_MACHINE${TAIL}`,
  ])('a source that is no key of profiles is refused: %s', (path) => {
    expect(() => profilesRoot(path, ME)).toThrow(expect.objectContaining({ code: 'target_refused' }));
  });

  test('those of Outlook 2003 to 2010 have their default among them', () => {
    const old = `${ME}\\Software\\Microsoft\\Windows NT\\CurrentVersion\\Windows Messaging Subsystem\\Profiles`;
    expect(profilesRoot(old.replace(ME, 'HKEY_CURRENT_USER'), ME)).toBe(old);
    const keys = [
      { path: old, values: [text('DefaultProfile', 'a')] },
      { path: `${old}\\a`, values: [] },
    ];
    expect(planProfiles(keys, null, old)).toMatchObject({ keys, defaultProfile: 'a' });
  });

  test('no value is told', async () => {
    const { plan } = await restoreInto([]);
    expect(JSON.stringify(plan.changes)).not.toContain('a.pst');
  });
});
