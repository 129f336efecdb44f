// The finders in Windows' Node over Wine's registry and disk, planted as Office 2003 to 365 leave them; and reg.exe itself.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { regExe } from '../../client/registry/reg-exe.ts';
import { testRegistry } from '../contracts/registry.ts';
import {
  type OfficeUser,
  planted,
  plantedClients,
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

describe.skipIf(reason)(named('mailferry sources under Wine', reason), () => {
  test('finds everything of Office 2003 to 365 and of other programs once, and invents nothing', async () => {
    const main = installDevice(wine);
    const none = await wine.node([main, 'sources', '--state', 'C:\\none', '--json']);
    expect(none).toMatchObject({ code: 0, json: { found: [], skipped: [] } });

    const years = (Object.keys(YEARS) as Year[]).map((year) => planted(year, user));
    const parts = together(...years, plantedOnce(user), plantedClients(user));
    for (const [path, content] of Object.entries(parts.files)) wine.write(path, content);
    writeFileSync(wine.here('C:\\office.reg'), regFile(parts.keys));
    expect(await wine.run('reg.exe', ['import', 'C:\\office.reg'])).toMatchObject({ code: 0 });

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
});
