// The finders in Windows' Node over Wine's registry and disk, planted as Office 2003 to 365 leave them; and reg.exe itself.
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { regExe } from '../../client/registry/reg-exe.ts';
import { testRegistry } from '../contracts/registry.ts';
import {
  expand,
  type OfficeUser,
  type Planted,
  planted,
  plantedClients,
  plantedDecoys,
  plantedOnce,
  regFile,
  together,
  YEARS,
  type Year,
} from '../support/office.ts';
import { named } from '../support/programs.ts';
import { installDevice, lacksWine, Wine } from './wine.ts';

const reason = lacksWine();
let wine: Wine;
beforeAll(() => {
  if (!reason) wine = new Wine();
});
afterAll(() => wine?.close());

/** A folder on C: that this machine can look into too. */
const folder = () => {
  mkdirSync(join(wine.drive, 'scratch'), { recursive: true });
  return mkdtempSync(join(wine.drive, 'scratch', 'x'));
};

testRegistry(named("Wine's reg.exe", reason), reason !== null, {
  folder,
  open: () =>
    regExe({
      command: wine.command('reg.exe'),
      scratch: folder(),
      nameOf: (path) => `C:${path.slice(wine.drive.length).replaceAll('/', '\\')}`,
    }),
});

/** The user that Wine makes for root. */
const user: OfficeUser = {
  home: 'C:\\users\\root',
  key: 'HKEY_USERS\\S-1-5-21-0-0-0-1000',
  roaming: 'C:\\users\\root\\AppData\\Roaming',
  local: 'C:\\users\\root\\AppData\\Local',
  documents: 'C:\\users\\root\\Documents',
};

/** Writes it on C: and into the registry. */
async function plant({ files, keys }: Planted): Promise<void> {
  for (const [path, content] of Object.entries(files)) wine.write(path, content);
  writeFileSync(wine.here('C:\\office.reg'), regFile(keys));
  expect(await wine.run('reg.exe', ['import', 'C:\\office.reg'])).toMatchObject({ code: 0 });
}

describe.skipIf(reason)(named('mailferry sources under Wine', reason), () => {
  test('finds everything of Office 2003 to 365 and of other programs once, and invents nothing', async () => {
    const main = installDevice(wine);
    const none = await wine.node([main, 'sources', '--state', 'C:\\none', '--json']);
    expect(none).toMatchObject({ code: 0, json: { found: [], skipped: [] } });
    const decoys = plantedDecoys(user);
    await plant(decoys);
    const almost = await wine.node([main, 'sources', '--state', 'C:\\none', '--json']);
    expect(almost).toMatchObject({ code: 0, json: { found: [], skipped: [] } });

    const years = (Object.keys(YEARS) as Year[]).map((year) => planted(year, user));
    const parts = together(...years, plantedOnce(user), plantedClients(user));
    await plant(parts);

    const { code, json } = await wine.node([main, 'sources', '--state', 'C:\\none', '--json']);
    expect(code).toBe(0);
    const lower = (of: [string, string][]) =>
      Object.fromEntries(of.map(([path, value]) => [path.toLowerCase(), value]));
    const found = json.found as { path: string; take: string; set: string | null }[];
    expect(lower(found.map(({ path, take }) => [path, take]))).toEqual(lower(Object.entries(parts.found)));
    expect(found).toHaveLength(Object.keys(parts.found).length);
    const left = json.skipped as { path: string; why: string }[];
    expect(lower(left.map(({ path, why }) => [path, why]))).toEqual(lower(Object.entries(parts.leftOut)));
  }, 240_000);

  test('as LocalSystem: everybody, by the list of profiles; of one logged off what the usual folders hold, and why is said', async () => {
    const main = installDevice(wine);
    const list = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList';
    const away: OfficeUser = {
      home: 'C:\\Users\\Jan 王 📬',
      key: 'HKEY_USERS\\S-1-5-21-0-0-0-1002',
      roaming: 'C:\\Users\\Jan 王 📬\\AppData\\Roaming',
      local: 'C:\\Users\\Jan 王 📬\\AppData\\Local',
      documents: 'C:\\Users\\Jan 王 📬\\Documents',
    };
    await plant(planted('365', user));
    await plant({
      files: {
        ...planted('2010', away).files,
        [`${away.home}\\NTUSER.DAT`]: 'a hive that Wine can not load',
        'C:\\windows\\system32\\config\\systemprofile\\Documents\\nobody.pst': '',
      },
      keys: [
        {
          path: `${list}\\S-1-5-18`,
          values: [expand('ProfileImagePath', '%systemroot%\\system32\\config\\systemprofile')],
        },
        { path: `${list}\\S-1-5-21-0-0-0-1000`, values: [expand('ProfileImagePath', user.home)] },
        {
          path: `${list}\\S-1-5-21-0-0-0-1002`,
          values: [expand('ProfileImagePath', `%SystemDrive%${away.home.slice(2)}`)],
        },
      ],
      found: {},
      leftOut: {},
    });
    const asSystem = `process.env.USERPROFILE = 'C:\\\\windows\\\\system32\\\\config\\\\systemprofile';
      process.argv.splice(1, 0, ${JSON.stringify(main)}); import('file:///' + ${JSON.stringify(main.replaceAll('\\', '/'))});`;
    const { code, json } = await wine.node(['-e', asSystem, 'sources', '--state', 'C:\\none', '--json']);
    expect(code).toBe(0);
    const found = json.found as { path: string; take: string; owner: string }[];
    const paths = found.map(({ path }) => path.toLowerCase());
    expect(new Set(paths).size).toBe(paths.length);
    for (const path of Object.keys(planted('365', user).found)) expect(paths).toContain(path.toLowerCase());
    expect(paths).toContain(
      `${away.documents}\\Pliki programu Outlook\\praca2010@example.org.pst`.toLowerCase(),
    );
    expect(paths.filter((path) => path.includes('systemprofile'))).toEqual([]);
    expect(json.skipped).toContainEqual(
      expect.objectContaining({
        path: `${away.home}\\NTUSER.DAT`,
        why: 'unreadable',
        text: expect.stringMatching(/logged off: .*; only their usual folders are searched/),
      }),
    );
    // The copy of the hive is a secret of somebody's: it is gone.
    const temporary = readdirSync(wine.here(`${user.local}\\Temp`));
    expect(temporary.filter((name) => name.startsWith('mailferry-'))).toEqual([]);
  }, 240_000);
});
