// What `npm run package:windows` makes: an executable that runs under Wine, whole device and workers; an MSI with its tables; signatures.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOST_COMPILER } from '../../client/windows/package/service-host.ts';
import { checkLibrary, sqliteSource, windowsLibrary } from '../../client/windows/package/sqlite-binary.ts';
import { samplePaths } from '../support/mail-file.ts';
import { mailferryOk, startServer, stop } from '../support/mailferry.ts';
import { lacks, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { lacksWine, Wine } from './wine.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tools =
  lacks(HOST_COMPILER, 'wixl', 'msiinfo', 'msiextract', 'osslsigncode', 'openssl') ??
  (existsSync(join(root, 'node_modules', 'postject')) ? null : 'npm ci was not run since postject came in');

/** The head of a program for a machine, and the mark of SQLite in it. */
function library(machine: number, source: string): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write('MZ');
  bytes.writeUInt32LE(128, 0x3c);
  bytes.write('PE\0\0', 128);
  bytes.writeUInt16LE(machine, 132);
  bytes.write(`${source}\0`, 256);
  return bytes;
}

describe("better-sqlite3's library", () => {
  const older = '2026-05-05 10:34:17 fe70ea5fed';
  test.each([
    ['for Windows on x64', library(0x8664, sqliteSource()), null],
    ['for another processor', library(0xaa64, sqliteSource()), /no library for Windows on x64/],
    ['of another version', library(0x8664, older), /does not hold the SQLite of .*npm ci/],
    ['of Linux', Buffer.from('\x7fELF'.padEnd(200)), /no library for Windows/],
    ['that is empty', Buffer.alloc(0), /no library for Windows/],
  ])('%s', async (_, bytes, refusal) => {
    const path = join(tempDir(), 'better_sqlite3.node');
    writeFileSync(path, bytes);
    if (refusal) await expect(checkLibrary(path)).rejects.toThrow(refusal);
    else await checkLibrary(path);
  });

  test('in the npm package is one; one that is not there is told', async () => {
    await checkLibrary(windowsLibrary(root));
    await expect(checkLibrary(windowsLibrary(tempDir()))).rejects.toThrow(/can't be read; run `npm ci`/);
  });
});

describe.skipIf(tools)(named('the package', tools), () => {
  let out: string;
  let said: string;

  beforeAll(() => {
    out = mkdtempSync(join(tmpdir(), 'mailferry-package-'));
    const key = join(out, 'key.pem');
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=Test'];
    execFileSync('openssl', [...request, '-keyout', key, '-out', join(out, 'cert.pem')], { stdio: 'pipe' });
    const p12 = join(out, 'cert.p12');
    const bundle = ['pkcs12', '-export', '-inkey', key, '-in', join(out, 'cert.pem'), '-out', p12];
    execFileSync('openssl', [...bundle, '-passout', 'pass:word'], { stdio: 'pipe' });
    writeFileSync(join(out, 'word'), 'word');
    const main = join(root, 'dist', 'client', 'windows', 'package', 'main.js');
    const built = spawnSync(process.execPath, [main, '--out', join(out, 'result')], {
      cwd: root,
      encoding: 'utf8',
      env: {
        ...process.env,
        MAILFERRY_SIGN_CERTIFICATE: p12,
        MAILFERRY_SIGN_CERTIFICATE_PASSWORD_FILE: join(out, 'word'),
      },
    });
    expect(built.stderr).toBe('');
    expect(built.status).toBe(0);
    said = built.stdout;
  }, 400_000);

  afterAll(() => rmSync(out, { recursive: true, force: true }));

  const msi = () => join(out, 'result', 'mailferry-0.1.0-x64.msi');
  const rows = (table: string) =>
    execFileSync('msiinfo', ['export', msi(), table], { encoding: 'utf8' })
      .split(/\r?\n/)
      .slice(3)
      .filter(Boolean)
      .map((row) => row.split('\t'));

  test('the installer is whole, named by its version alone, and has the library that npm installed', () => {
    expect(said.trim().split('\n')).toEqual([join(out, 'result', 'Mailferry'), msi(), 'signed']);
    execFileSync('msiextract', ['-C', join(out, 'extracted'), msi()], { stdio: 'pipe' });
    const held = readFileSync(join(out, 'extracted', 'Mailferry', 'better_sqlite3.node'));
    expect(held.equals(readFileSync(windowsLibrary(root)))).toBe(true);
  });

  test('the installer has the service: the host as LocalSystem, its log, and the agent', () => {
    const [service] = rows('ServiceInstall');
    expect(service?.slice(0, 9)).toEqual(['Service', 'Mailferry', 'Mailferry', '16', '2', '1', '', '', '']);
    expect(service?.[10]).toBe(
      'run "[CommonAppDataFolder]Mailferry\\agent.log" -- "[INSTALLDIR]mailferry.exe" agent --host --state "[CommonAppDataFolder]Mailferry"',
    );
    const [component] = rows('Component').filter(([name]) => name === service?.[11]);
    expect(component?.[5]).toBe('f_mailferry_service_exe');
    // 1: started at installation; 2 and 32: stopped at both; 128: deleted at removal.
    expect(rows('ServiceControl').map((row) => [row[1], row[2]])).toEqual([
      ['Mailferry', '162'],
      ['Mailferry', '1'],
    ]);
  });

  test('the installer has every file', () => {
    const names = rows('File').map((row) => row[2]);
    expect(names.sort()).toEqual(
      [
        'LICENSE.txt',
        'better_sqlite3.node',
        'mailferry-service.exe',
        'mailferry.adml',
        'mailferry.admx',
        'mailferry.exe',
        'shadow-copy.ps1',
      ].sort(),
    );
  });

  test('an older version and another build of this one are replaced, a newer one is refused, and the code never changes', () => {
    const upgrade = rows('Upgrade').map(([code, least, most, language, attributes, remove, property]) => ({
      ...{ code, least, most, language, attributes: Number(attributes), remove, property },
    }));
    const code = '{5D1E0C6A-8A1B-4E57-9C1C-6B0E7D6F3A21}';
    // Every language, and all of it. 2: is found and not removed; 256 and 512: the bound itself too (msidbUpgradeAttributes).
    const all = { code, language: '', remove: '' };
    expect(upgrade).toHaveLength(2);
    expect(upgrade).toContainEqual({
      ...{ ...all, least: '0.0.0', most: '0.1.1', attributes: 256, property: 'WIX_UPGRADE_DETECTED' },
    });
    expect(upgrade).toContainEqual({
      ...{ ...all, least: '0.1.0', most: '', attributes: 2, property: 'WIX_DOWNGRADE_DETECTED' },
    });
    expect(rows('LaunchCondition')).toEqual([
      ['NOT WIX_DOWNGRADE_DETECTED', 'A newer version of Mailferry is installed.'],
    ]);
    const properties = new Map(rows('Property').map(([name, value]) => [name, value]));
    expect(properties.get('ProductVersion')).toBe('0.1.0');
    expect(properties.get('ALLUSERS')).toBe('1');
    // What was found has to reach the part that runs with the rights to remove it.
    expect(properties.get('SecureCustomProperties')?.split(';').sort()).toEqual([
      'WIX_DOWNGRADE_DETECTED',
      'WIX_UPGRADE_DETECTED',
    ]);
    // Every file is copied, whatever version the one has that is there and is removed.
    expect(properties.get('REINSTALLMODE')).toBe('amus');
  });

  test('an upgrade: found, refused or removed within the transaction, its service stopped before and started after', () => {
    const at = new Map(rows('InstallExecuteSequence').map(([action, , number]) => [action, Number(number)]));
    const order = [
      ...['FindRelatedProducts', 'LaunchConditions', 'CostFinalize', 'InstallValidate', 'InstallInitialize'],
      ...['RemoveExistingProducts', 'ProcessComponents', 'StopServices', 'DeleteServices', 'RemoveFiles'],
      ...['InstallFiles', 'InstallServices', 'StartServices', 'InstallFinalize'],
    ];
    expect(order.filter((action) => !at.has(action))).toEqual([]);
    expect([...order].sort((a, b) => at.get(a)! - at.get(b)!)).toEqual(order);
    // Nothing that writes is between the beginning of the transaction and the removal (ICE63).
    const between = [...at].filter(
      ([, number]) => number > at.get('InstallInitialize')! && number < at.get('RemoveExistingProducts')!,
    );
    expect(between).toEqual([]);
    // Not under a condition that an upgrade would not meet.
    const conditions = rows('InstallExecuteSequence').filter(([action]) => order.includes(action!));
    expect(conditions.filter(([, condition]) => condition && condition !== 'VersionNT')).toEqual([]);
    // Waited for where it stops; not where it starts, as one that is not enrolled ends.
    expect(rows('ServiceControl').map(([, , , , wait]) => wait)).toEqual(['1', '0']);
  });

  test.each([
    'Mailferry/mailferry.exe',
    'Mailferry/mailferry-service.exe',
    'Mailferry/snapshot/vss/shadow-copy.ps1',
  ])('%s is signed, and its digest is right', (file) => {
    const verify = ['verify', '-CAfile', join(out, 'cert.pem'), '-in', join(out, 'result', file)];
    const { stdout } = spawnSync('osslsigncode', verify, { encoding: 'utf8' });
    expect(stdout).not.toMatch(/MISMATCH/i);
    expect(stdout).toMatch(/Number of verified signatures: 1|Succeeded/);
  });

  const reason = lacksWine();
  test.skipIf(reason)(
    named('what the installer installs backs a real store up and restores it under Wine', reason),
    async () => {
      const wine = new Wine();
      const data = tempDir();
      const server = await startServer(data);
      try {
        cpSync(msi(), wine.here('C:\\mailferry.msi'));
        expect(await wine.run('msiexec', ['/i', 'C:\\mailferry.msi', '/qn'])).toMatchObject({ code: 0 });
        const exe = 'C:\\Program Files\\Mailferry\\mailferry.exe';
        const { json } = await mailferryOk('server', 'token', 'create', '--data', data, '--json');
        const device = (...words: string[]) =>
          wine.run(exe, [...words, '--state', 'C:\\state', '--json'], {
            env: { MAILFERRY_TOKEN: json.token },
          });
        expect((await wine.run(exe, ['--help'])).stdout).toContain('Usage: mailferry');
        expect(await wine.run(exe, ['server'])).toMatchObject({ code: 2 });
        expect(await device('enroll', '--server', server.url)).toMatchObject({ code: 0 });
        const source = samplePaths()[0]!;
        wine.write('C:\\mail\\Żółć.pst', readFileSync(source));
        const backup = await device('backup', 'C:\\mail\\Żółć.pst', '--wait', '--snapshot', 'live');
        expect(backup).toMatchObject({ code: 0, json: { versions: [{ path: 'C:\\mail\\Żółć.pst' }] } });
        const restored = await device('restore', 'C:\\mail\\Żółć.pst', '--to', 'C:\\mail\\back.pst');
        expect(restored.code).toBe(0);
        expect(readFileSync(wine.here('C:\\mail\\back.pst')).equals(readFileSync(source))).toBe(true);
      } finally {
        await stop(server);
        wine.close();
      }
    },
    120_000,
  );
});
