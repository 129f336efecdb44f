// The service of the device on Windows, under Wine: the real service manager, the real host, Windows' Node; tasks as far as Wine goes.
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeMailFile } from '../support/mail-file.ts';
import { named } from '../support/programs.ts';
import { lacksServiceMachine, NODE, serviceMachine } from './service-machine.ts';
import type { Wine } from './wine.ts';

const reason = lacksServiceMachine();
const MIB = 1_048_576;
/** Bytes of a store that takes the device longer to read here than it has to stop. */
const BIG = 4_096 * MIB;
const LOG = 'C:\\state\\agent.log';

describe.skipIf(reason)(named('the Windows service', reason), () => {
  let machine: Awaited<ReturnType<typeof serviceMachine>>;
  let wine: Wine;
  let main: string;

  beforeAll(async () => {
    machine = await serviceMachine('C:\\state');
    ({ wine, main } = machine);
    wine.write('C:\\users\\root\\Documents\\Outlook Files\\Żółć.pst', 'not a store, but named as one');
    // The host is beside node.exe: it seals.
    const kept = JSON.parse(readFileSync(wine.here('C:\\state\\identity.json'), 'utf8'));
    const names = ['allowHttp', 'device', 'receiptKey', 'sealed', 'server', 'settingsServer'];
    expect(Object.keys(kept).sort()).toEqual(names);
  }, 120_000);
  afterAll(() => machine?.close());

  const service = (...words: string[]) => machine.service(...words);
  const log = () => machine.log();
  /** Asks a service to stop; ms by Windows' clock until its manager has it as stopped. */
  const stop = async (name: string): Promise<number> => {
    const { code, stdout } = await wine.run(wine.program('stop-service'), [name]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+\s*$/) });
    return Number(stdout);
  };

  test('is installed, runs the agent, and stops it gracefully within 5 s', async () => {
    expect(await service('status')).toMatchObject({ code: 1, json: { kind: 'service', installed: false } });
    const installed = await service('install');
    expect(installed.stderr).not.toContain('mailferry:');
    expect(installed.code).toBe(0);
    await expect.poll(log, { timeout: 30_000 }).toContain('sources are protected');
    expect(await service('status')).toMatchObject({ code: 0, json: { installed: true, running: true } });
    // The agent holds the state: nobody else may have it now.
    const second = await wine.run(NODE, [main, 'backup', '--state', 'C:\\state', '--json']);
    expect(second).toMatchObject({ code: 11, json: { error: { code: 'state_locked' } } });
    expect(await stop('Mailferry')).toBeLessThanOrEqual(5_000);
    // It was not ended but ended itself.
    expect(log()).toContain('The agent was stopped');
    expect((await service('status')).json).toMatchObject({ installed: true, running: false });
    expect((await service('uninstall')).code).toBe(0);
    expect((await service('status')).json).toMatchObject({ installed: false });
  }, 120_000);

  test('stops within 5 s in the middle of a backup too, and goes on with it when it is started again', async () => {
    // Wine makes no shadow copies.
    wine.write('C:\\ProgramData\\Mailferry\\settings.json', '{ "snapshot": "live" }');
    const big = 'C:\\users\\root\\Documents\\Outlook Files\\big.pst';
    makeMailFile(wine.here(big), 256 * MIB, 7);
    truncateSync(wine.here(big), BIG);
    rmSync(wine.here(LOG), { force: true });
    /** Packs of it that wait in staging. */
    const packs = () =>
      readdirSync(wine.here('C:\\state\\staging'), { recursive: true }).filter((name) =>
        String(name).endsWith('.pack'),
      );
    expect((await service('install')).code).toBe(0);
    await expect.poll(() => packs().length, { timeout: 60_000, interval: 50 }).toBeGreaterThan(1);
    expect(await stop('Mailferry')).toBeLessThanOrEqual(5_000);
    // It was in the middle of it, and was not ended but ended itself.
    expect(log()).toMatch(/The run was stopped while .*big\.pst was read/);
    expect(log()).toContain('The agent was stopped');
    rmSync(wine.here(LOG));
    expect((await wine.run('sc.exe', ['start', 'Mailferry'])).code).toBe(0);
    await expect.poll(log, { timeout: 200_000 }).toMatch(/Receipt for .*big\.pst/);
    expect(log()).toMatch(/A part of .*big\.pst is on the server, to go on from/);
    expect(await stop('Mailferry')).toBeLessThanOrEqual(5_000);
    expect((await service('uninstall')).code).toBe(0);
    wine.remove('C:\\ProgramData\\Mailferry\\settings.json');
  }, 300_000);

  test('an agent that does not hear the stop is ended with all that it started', async () => {
    wine.write(
      'C:\\deaf.js',
      "require('fs').writeFileSync('C:/deaf.txt', 'up'); setInterval(() => {}, 1000)",
    );
    const host = 'C:\\mailferry\\mailferry-service.exe';
    const create = ['create', 'Deaf', 'binPath=', `${host} run C:\\deaf.log -- ${NODE} C:\\deaf.js`];
    expect((await wine.run('sc.exe', create)).code).toBe(0);
    expect((await wine.run('sc.exe', ['start', 'Deaf'])).code).toBe(0);
    await expect.poll(() => existsSync(wine.here('C:\\deaf.txt')), { timeout: 20_000 }).toBe(true);
    const list = async () =>
      (await wine.run('tasklist.exe', ['/FO', 'CSV', '/NH'])).stdout.replaceAll('\0', '');
    expect(await list()).toContain('mailferry-service.exe');
    await wine.run('sc.exe', ['stop', 'Deaf']);
    await expect.poll(list, { timeout: 20_000 }).not.toContain('mailferry-service.exe');
    // The session's own is the only node that is left.
    expect((await list()).match(/"node\.exe"/g)).toHaveLength(1);
  }, 60_000);

  test('tasks: Wine takes both definitions, and holds the settings asked for', async () => {
    const installed = await service('install', '--as', 'task');
    expect(installed.stderr).not.toContain('mailferry:');
    expect(installed.code).toBe(0);
    for (const name of ['Mailferry Agent', 'Mailferry Wake']) {
      // Wine writes what it understood: the settings, not the triggers.
      const xml = readFileSync(wine.here(`C:\\windows\\system32\\tasks\\${name}`), 'utf8');
      expect(xml).toContain('<MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>');
      expect(xml).toContain('<DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>');
      expect(xml).toContain('<StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>');
      expect(xml).toContain('<StartWhenAvailable>true</StartWhenAvailable>');
      expect(xml).toContain('<ExecutionTimeLimit>PT0S</ExecutionTimeLimit>');
    }
  }, 60_000);

  test('the policy of the machine wins over the file, as reg.exe reads it', async () => {
    wine.write('C:\\ProgramData\\Mailferry\\settings.json', '{ "everyMinutes": 20, "minimumMinutes": 3 }');
    const key = 'HKLM\\SOFTWARE\\Policies\\Mailferry';
    const add = (...words: string[]) => wine.run('reg.exe', ['add', key, '/f', ...words]);
    expect((await add('/v', 'EveryMinutes', '/t', 'REG_DWORD', '/d', '60')).code).toBe(0);
    expect((await add('/v', 'Paths', '/t', 'REG_MULTI_SZ', '/d', 'C:\\Żółć')).code).toBe(0);
    const { json } = await wine.run(NODE, [main, 'settings', '--json']);
    const policy = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Mailferry';
    expect(json.settings).toContainEqual({ name: 'everyMinutes', value: 60, from: policy });
    expect(json.settings).toContainEqual({ name: 'paths', value: ['C:\\Żółć'], from: policy });
    expect(json.settings).toContainEqual({
      name: 'minimumMinutes',
      value: 3,
      from: 'C:\\ProgramData\\Mailferry\\settings.json',
    });
  }, 60_000);

  test('DPAPI by the host: what it protects is not what it was given, and comes back', async () => {
    wine.write(
      'C:\\dpapi.js',
      `const { spawnSync } = require('child_process');
       const host = 'C:\\\\mailferry\\\\mailferry-service.exe';
       const secret = Buffer.from('Zażółć\\0 secret');
       const kept = spawnSync(host, ['protect'], { input: secret });
       const back = spawnSync(host, ['unprotect'], { input: kept.stdout });
       const bad = spawnSync(host, ['unprotect'], { input: 'no such thing' });
       console.log(JSON.stringify([kept.stdout.includes('secret'), back.stdout.equals(secret), bad.status]));`,
    );
    expect((await wine.run(NODE, ['C:\\dpapi.js'])).json).toEqual([false, true, 1]);
  }, 60_000);
});
