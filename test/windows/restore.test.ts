// Outlook's settings and profiles there and back by the built device in Windows' Node under Wine, with its reg.exe and its disk.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mailferryOk, type RunningServer, startServer, stop } from '../support/mailferry.ts';
import { type OfficeUser, planted, plantedOnce, regFile, together } from '../support/office.ts';
import { named } from '../support/programs.ts';
import { installDevice, lacksWine, Wine } from './wine.ts';

const reason = lacksWine();
const user: OfficeUser = {
  home: 'C:\\users\\root',
  key: 'HKEY_USERS\\S-1-5-21-0-0-0-1000',
  roaming: 'C:\\users\\root\\AppData\\Roaming',
  local: 'C:\\users\\root\\AppData\\Local',
  documents: 'C:\\users\\root\\Documents',
};
const SECRET = '01,00,00,00,d0,8c,9d,df';

/** What the planted profiles open from a share. */
const SHARED = ['\\\\serwer\\poczta 2010\\wspólny.pst', '\\\\serwer\\poczta 365\\wspólny.pst'];

describe.skipIf(reason)(named('settings and profiles under Wine', reason), () => {
  let wine: Wine;
  let main: string;
  let server: RunningServer;
  let token: string;
  const device = (...words: string[]) =>
    wine.node([main, ...words, '--state', 'C:\\state', '--json'], {
      env: { MAILFERRY_TOKEN: token },
      timeout: 200_000,
    });
  const reg = async (...words: string[]) =>
    expect(await wine.run('reg.exe', words)).toMatchObject({ code: 0 });
  const here = (path: string) => wine.here(path);

  beforeAll(async () => {
    wine = new Wine();
    main = installDevice(wine);
    const data = join(wine.drive, 'server');
    server = await startServer(data);
    token = (await mailferryOk('server', 'token', 'create', '--data', data, '--json')).json.token;
    expect(await device('enroll', '--server', server.url)).toMatchObject({ code: 0 });
    const parts = together(planted('365', user), planted('2010', user), plantedOnce(user));
    for (const [path, content] of Object.entries(parts.files)) wine.write(path, content);
    writeFileSync(here('C:\\office.reg'), regFile(parts.keys));
    await reg('import', 'C:\\office.reg');
    const backup = await device('backup', '--wait', '--snapshot', 'live');
    // All is taken but the stores that profiles open from a share: they are told, and make the run a part (C13).
    expect(backup).toMatchObject({ code: 3, json: { failed: [] } });
    expect(backup.json.unread.map(({ path }: { path: string }) => path)).toEqual(SHARED);
    expect(backup.json.versions).toHaveLength(Object.keys(parts.found).length);
    const exported = backup.json.versions.filter(
      ({ snapshot }: { snapshot: string }) => snapshot === 'export',
    );
    expect(exported).toHaveLength(2);
  }, 240_000);
  afterAll(async () => {
    if (server) await stop(server);
    wine?.close();
  });

  test('a second run finds nothing changed, profiles too, and leaves no export', async () => {
    const again = await device('backup', '--wait', '--snapshot', 'live');
    expect(again).toMatchObject({ code: 3, json: { versions: [], failed: [] } });
    expect(again.json.unread.map(({ path }: { path: string }) => path)).toEqual(SHARED);
    expect(readdirSync(here('C:\\state\\exports'))).toEqual([]);
    expect(again.stdout + again.stderr).not.toContain(SECRET);
  }, 120_000);

  test('profiles exported, deleted, restored: the exports are equal, and what was there is kept', async () => {
    const key = `${user.key}\\Software\\Microsoft\\Office\\16.0\\Outlook`;
    const old = `${user.key}\\Software\\Microsoft\\Windows NT\\CurrentVersion\\Windows Messaging Subsystem\\Profiles`;
    await reg('export', `${key}\\Profiles`, 'C:\\before.reg', '/y');
    await reg('export', old, 'C:\\before-old.reg', '/y');
    expect(readFileSync(here('C:\\before.reg')).toString('utf16le')).toContain(SECRET);
    await reg('delete', key, '/f');
    await reg('delete', `${old}\\Zażółć 2010 工作 📬\\${'a1'.padStart(32, '0')}`, '/f');

    const dry = await device('restore', '--kind', 'mapi-profiles', '--dry-run');
    expect(dry.code).toBe(0);
    expect(dry.json.left.map(({ action }: { action: string }) => action).sort()).toEqual([
      'replace',
      'write',
    ]);
    expect(await wine.run('reg.exe', ['query', key])).toMatchObject({ code: 1 });

    const restored = await device('restore', '--kind', 'mapi-profiles');
    expect(restored.code).toBe(0);
    expect(restored.stdout + restored.stderr).not.toContain(SECRET);
    await reg('export', `${key}\\Profiles`, 'C:\\after.reg', '/y');
    await reg('export', old, 'C:\\after-old.reg', '/y');
    expect(readFileSync(here('C:\\after.reg')).equals(readFileSync(here('C:\\before.reg')))).toBe(true);
    expect(readFileSync(here('C:\\after-old.reg')).equals(readFileSync(here('C:\\before-old.reg')))).toBe(
      true,
    );
    const { stdout } = await wine.run('reg.exe', ['query', key, '/v', 'DefaultProfile']);
    expect(stdout).toContain('DefaultProfile');

    const [kept] = restored.json.kept;
    expect(restored.json.kept).toHaveLength(1);
    expect(readFileSync(here(kept)).length).toBeLessThan(readFileSync(here('C:\\before-old.reg')).length);
    expect(await device('restore', '--kind', 'mapi-profiles')).toMatchObject({
      json: { restored: [], kept: [] },
    });
  }, 240_000);

  test('profiles restored below a folder are files that reg.exe imports, for a user who may not read the state', async () => {
    const key = `${user.key}\\Software\\Microsoft\\Office\\16.0\\Outlook\\Profiles`;
    await reg('export', key, 'C:\\handed-before.reg', '/y');
    const restored = await device('restore', '--kind', 'mapi-profiles', '--to', 'C:\\handed');
    expect(restored).toMatchObject({ code: 0, json: { kept: [] } });
    const { to } = restored.json.restored.find(({ path }: { path: string }) => path === key);
    expect(to).toBe(`C:\\handed\\${key}`);
    await reg('delete', key, '/f');
    await reg('import', to);
    await reg('export', key, 'C:\\handed-after.reg', '/y');
    expect(readFileSync(here('C:\\handed-after.reg'))).toEqual(readFileSync(here('C:\\handed-before.reg')));
  }, 240_000);

  test('settings go to this user’s folders, the autocomplete stream over the one that Outlook made', async () => {
    const cache = `${user.local}\\Microsoft\\Outlook\\RoamCache`;
    const stream = readdirSync(here(cache)).find(
      (name) => name.endsWith('365.dat') && name.includes('Autocomplete'),
    )!;
    const content = readFileSync(here(`${cache}\\${stream}`), 'utf8');
    for (const name of readdirSync(here(cache)))
      if (name.includes('Autocomplete')) await wine.run('cmd.exe', ['/c', 'del', `${cache}\\${name}`]);
    wine.write(`${cache}\\Stream_Autocomplete_0_0123456789abcdef0123456789abcdef.dat`, 'made here');
    const signature = `${user.roaming}\\Microsoft\\Podpisy\\Służbowy 公司_pliki\\logo 📬.png`;
    await wine.run('cmd.exe', ['/c', 'rmdir', '/s', '/q', `${user.roaming}\\Microsoft\\Podpisy`]);
    expect(existsSync(here(signature))).toBe(false);

    const restored = await device('restore', '--kind', 'outlook-settings');
    expect(existsSync(here(signature))).toBe(true);
    const own = here(`${cache}\\Stream_Autocomplete_0_0123456789abcdef0123456789abcdef.dat`);
    expect([content, 'autocomplete 2010']).toContain(readFileSync(own, 'utf8'));
    expect(restored.json.kept.map((file: string) => readFileSync(here(file), 'utf8'))).toEqual(['made here']);
    // The stream of the other edition has no place of its own: said, and so no full success.
    expect(restored.code).toBe(3);
  }, 240_000);

  test('an OST is never put where Outlook keeps its own', async () => {
    const ost = `${user.local}\\Microsoft\\Outlook\\ja365@example.org.ost`;
    expect(await device('backup', ost, '--wait', '--snapshot', 'live')).toMatchObject({ code: 0 });
    const refused = await device('restore', ost, '--overwrite');
    expect(refused).toMatchObject({ code: 1, json: { left: [{ action: 'refused' }] } });
    const live = await device('restore', ost, '--to', `${user.local}\\Microsoft\\Outlook\\other.ost`);
    expect(live.json.error.code).toBe('target_refused');
  }, 120_000);
});
