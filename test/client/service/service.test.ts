// What `mailferry service` would do on each system, step by step, and that it does no more than that in a dry run.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseService } from '../../../client/service/choose-service.ts';
import { describeStep, type Ran, type Run, type Step, takeSteps } from '../../../client/service/step.ts';
import { systemd, unitFile, unitWord } from '../../../client/service/systemd.ts';
import { commandLine } from '../../../client/service/windows-command-line.ts';
import { stateNumber, windowsService } from '../../../client/service/windows-service.ts';
import { windowsTask } from '../../../client/service/windows-task.ts';
import { PROGRAM, start } from '../../support/mailferry.ts';
import { lacks, named } from '../../support/programs.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** A system on which programs answer as the table says: by the first of its keys that the command begins with. */
const answers =
  (table: Record<string, Ran>, ran: string[] = []): Run =>
  async (program, words) => {
    const command = [program, ...words].join(' ');
    ran.push(command);
    const key = Object.keys(table).find((prefix) => command.startsWith(prefix));
    return key ? table[key]! : { code: 0, said: '' };
  };
const nothing = { code: 1060, said: 'no such service' };

const windowsAgent = {
  self: ['C:\\Program Files\\Mailferry\\mailferry.exe'] as const,
  stateRoot: 'C:\\ProgramData\\Mailferry',
};
const linuxAgent = {
  self: ['/usr/bin/node', '/opt/mail ferry/main.js'] as const,
  stateRoot: '/var/lib/mailferry',
};

describe('a Windows service', () => {
  const host = 'C:\\Program Files\\Mailferry\\mailferry-service.exe';
  const kind = windowsService({ host });

  test('is made, described and started', async () => {
    const steps = (await kind.install(windowsAgent, answers({ 'sc.exe query': nothing }))).map(describeStep);
    const words = steps.map((step) => step.split(' ').slice(0, 2).join(' '));
    expect(words).toEqual(['create', 'description', 'start'].map((word) => `sc.exe ${word}`));
  });

  test('its command survives Windows: the host, its log, and the agent with its words', async () => {
    const [create] = await kind.install(windowsAgent, answers({ 'sc.exe query': nothing }));
    const words = (create as Extract<Step, { do: 'run' }>).words;
    expect(words[words.indexOf('binPath=') + 1]).toBe(
      '"C:\\Program Files\\Mailferry\\mailferry-service.exe" run C:\\ProgramData\\Mailferry\\agent.log -- ' +
        '"C:\\Program Files\\Mailferry\\mailferry.exe" agent --host --state C:\\ProgramData\\Mailferry',
    );
    expect(words[words.indexOf('start=') + 1]).toBe('delayed-auto');
  });

  test('one that is there is stopped and changed', async () => {
    const steps = (await kind.install(windowsAgent, answers({}))).map(describeStep);
    expect(steps[0]).toBe('sc.exe stop Mailferry');
    expect(steps[1]).toMatch(/^sc\.exe config Mailferry binPath= /);
  });

  const english =
    '\r\nSERVICE_NAME: Mailferry \r\n        TYPE               : 10  WIN32_OWN_PROCESS  \r\n        STATE              : 4  RUNNING \r\n';
  const polish =
    '\r\nNAZWA_USŁUGI: Mailferry \r\n        TYP                : 10  WIN32_OWN_PROCESS  \r\n        STAN               : 1  STOPPED \r\n';
  test.each([
    ['English', english, 4],
    ['translated', polish, 1],
    ['empty', '', null],
  ])('its state is read from what sc says, %s', (_, said, expected) => {
    expect(stateNumber(said)).toBe(expected);
  });

  test.each([
    ['not there', { 'sc.exe query': nothing }, { installed: false, running: false }],
    ['running', { 'sc.exe query': { code: 0, said: english } }, { installed: true, running: true }],
    ['stopped', { 'sc.exe query': { code: 0, said: polish } }, { installed: true, running: false }],
  ])('status: %s', async (_, table, expected) => {
    expect(await kind.state(answers(table as Record<string, Ran>))).toEqual(expected);
  });

  test('removing one that is not there is no failure, one without the right to is', async () => {
    const steps = await kind.uninstall(answers({}));
    await takeSteps(steps, answers({ 'sc.exe': nothing }));
    const denied = answers({ 'sc.exe delete': { code: 5, said: 'Access is denied.' } });
    await expect(takeSteps(steps, denied)).rejects.toMatchObject({
      code: 'service_failed',
      message: expect.stringContaining('`sc.exe delete Mailferry` failed: Access is denied.'),
    });
  });
});

describe('scheduled tasks', () => {
  const kind = windowsTask({ folder: 'C:\\ProgramData\\Mailferry' });

  test('two are registered from files, one runs at once', async () => {
    const steps = (await kind.install(windowsAgent, answers({}))).map(describeStep);
    expect(steps).toEqual([
      'write C:\\ProgramData\\Mailferry\\Mailferry Agent.xml',
      'schtasks.exe "/create" "/tn" "Mailferry Agent" "/xml" "C:\\ProgramData\\Mailferry\\Mailferry Agent.xml" "/f"'.replaceAll(
        /"(\/\w+)"/g,
        '$1',
      ),
      'icacls.exe C:\\ProgramData\\Mailferry /inheritance:r /grant:r "*S-1-5-18:(OI)(CI)F" /grant:r "*S-1-5-32-544:(OI)(CI)F"',
      'write C:\\ProgramData\\Mailferry\\Mailferry Wake.xml',
      'schtasks.exe /create /tn "Mailferry Wake" /xml "C:\\ProgramData\\Mailferry\\Mailferry Wake.xml" /f',
      'schtasks.exe /run /tn "Mailferry Agent"',
    ]);
  });

  test.each([
    ['there', { code: 0, said: 'Folder: \\\nNazwa zadania: \\Mailferry Agent\nStan: Ready' }, true],
    ['not there', { code: 1, said: 'ERROR: The system cannot find the file specified.' }, false],
    ['not looked for, which is told as a success', { code: 0, said: '' }, false],
  ])('status: %s', async (_, said, installed) => {
    expect(await kind.state(answers({ 'schtasks.exe /query /tn Mailferry Agent': said }))).toEqual({
      installed,
      running: null,
    });
  });
});

describe('a systemd unit', () => {
  const kind = systemd({ user: false, folder: '/etc/systemd/system' });

  test('is written, enabled and started; taken away again', async () => {
    expect((await kind.install(linuxAgent, answers({}))).map(describeStep)).toEqual([
      'write /etc/systemd/system/mailferry.service',
      'systemctl daemon-reload',
      'systemctl enable mailferry.service',
      'systemctl restart mailferry.service',
    ]);
    expect((await kind.uninstall(answers({}))).map(describeStep)).toEqual([
      'systemctl disable --now mailferry.service',
      'remove /etc/systemd/system/mailferry.service',
      'systemctl daemon-reload',
    ]);
  });

  test('words keep their meaning: what systemd would expand is escaped', () => {
    expect(unitWord('/a b/100% $HOME "x"\\')).toBe('"/a b/100%% $$HOME \\"x\\"\\\\"');
  });

  const analyze = lacks('systemd-analyze');
  for (const user of [false, true]) {
    test.skipIf(analyze !== null)(named(`systemd accepts the unit, user: ${user}`, analyze), () => {
      const path = join(tempDir(), 'mailferry.service');
      const self = [process.execPath, PROGRAM] as const;
      writeFileSync(path, unitFile({ ...linuxAgent, self }, user));
      const scope = user ? ['--user'] : [];
      const { status, stderr } = spawnSync('systemd-analyze', [...scope, '--man=no', 'verify', path], {
        encoding: 'utf8',
        env: { ...process.env, XDG_RUNTIME_DIR: tempDir() },
      });
      // A machine without systemd running has units of its own that it can't load; of ours nothing may be said.
      expect(stderr.split('\n').filter((line) => line.includes('mailferry'))).toEqual([]);
      if (!stderr) expect(status).toBe(0);
    });
  }

  test.skipIf(analyze !== null)(named('the unit is well hardened', analyze), () => {
    const path = join(tempDir(), 'mailferry.service');
    writeFileSync(path, unitFile({ ...linuxAgent, self: [process.execPath, PROGRAM] }, false));
    const said = spawnSync('systemd-analyze', ['security', '--offline=true', path], {
      encoding: 'utf8',
    }).stdout;
    const exposure = Number(/Overall exposure level for mailferry\.service: ([\d.]+)/.exec(said)?.[1]);
    // A unit without any of it has 9.6.
    expect(exposure).toBeLessThan(5.5);
  });

  const linux = process.platform === 'linux' ? null : 'systemd is on Linux';
  test.skipIf(linux !== null)(
    named('the program: a dry run changes nothing, then it is installed and removed', linux),
    async () => {
      const home = tempDir();
      const bin = join(home, 'bin');
      const calls = join(home, 'calls');
      mkdirSync(bin);
      writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\necho "$@" >> '${calls}'\n`);
      chmodSync(join(bin, 'systemctl'), 0o755);
      const env = { HOME: home, XDG_CONFIG_HOME: join(home, '.config'), PATH: `${bin}:${process.env.PATH}` };
      const unit = join(home, '.config', 'systemd', 'user', 'mailferry.service');
      const service = (...words: string[]) =>
        start(
          process.execPath,
          [PROGRAM, 'service', ...words, '--user', '--state', join(home, 'state'), '--json'],
          env,
        ).ended;
      const dry = await service('install', '--dry-run');
      expect(dry).toMatchObject({ code: 0, json: { dryRun: true } });
      expect(dry.json.steps[0]).toBe(`write ${unit}`);
      expect(existsSync(unit)).toBe(false);
      expect(existsSync(calls)).toBe(false);
      expect((await service('install')).code).toBe(0);
      expect(readFileSync(unit, 'utf8')).toContain(`"agent" "--state" "${join(home, 'state')}"`);
      expect(readFileSync(calls, 'utf8').split('\n')).toContain('--user enable mailferry.service');
      expect(await service('status')).toMatchObject({
        code: 0,
        json: { kind: 'systemd-user', installed: true, running: true },
      });
      expect((await service('uninstall')).code).toBe(0);
      expect(existsSync(unit)).toBe(false);
    },
  );
});

describe('what was asked for', () => {
  const windows = {
    platform: 'win32',
    env: {},
    home: 'C:\\Users\\a',
    self: ['C:\\m\\mailferry.exe'] as const,
  };
  const linux = { platform: 'linux', env: {}, home: '/home/a', self: ['/usr/bin/node', '/m.js'] as const };
  test.each([
    [windows, {}, 'service'],
    [windows, { as: 'task' as const }, 'task'],
    [linux, {}, 'systemd'],
    [linux, { user: true }, 'systemd-user'],
  ])('%j %j', (surroundings, options, expected) => {
    expect(chooseService(surroundings, options).name).toBe(expected);
  });
  test.each([
    [windows, { user: true }],
    [linux, { as: 'task' as const }],
    [{ ...linux, platform: 'darwin' }, {}],
  ])('%j %j is refused', (surroundings, options) => {
    expect(() => chooseService(surroundings, options)).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});

/** Takes a command line apart as the C runtime documents it. */
function argvOf(line: string): string[] {
  const words: string[] = [];
  let at = 0;
  while (at < line.length) {
    while (line[at] === ' ' || line[at] === '\t') at++;
    if (at >= line.length) break;
    let word = '';
    let quoted = false;
    for (; at < line.length && (quoted || !/[ \t]/.test(line[at]!)); ) {
      let slashes = 0;
      while (line[at] === '\\') {
        slashes++;
        at++;
      }
      if (line[at] === '"') {
        word += '\\'.repeat(slashes >> 1);
        if (slashes % 2) word += '"';
        else quoted = !quoted;
        at++;
      } else {
        word += '\\'.repeat(slashes);
        if (at < line.length && (quoted || !/[ \t]/.test(line[at]!))) word += line[at++];
      }
    }
    words.push(word);
  }
  return words;
}

test('a command line comes apart into the words it was made of', () => {
  const word = fc.string({ unit: fc.constantFrom('a', ' ', '"', '\\', 'ż', '\t', '-') });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1 }), (words) => {
      expect(argvOf(commandLine(words))).toEqual(words);
    }),
  );
});
