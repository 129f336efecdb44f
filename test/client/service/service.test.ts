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
  isEnrolled: true,
};
const linuxAgent = {
  self: ['/usr/bin/node', '/opt/mail ferry/main.js'] as const,
  stateRoot: '/var/lib/mailferry',
  isEnrolled: true,
};

describe('a Windows service', () => {
  const host = 'C:\\Program Files\\Mailferry\\mailferry-service.exe';
  const kind = windowsService({ host });

  test('is made once its folder is protected, described and started, and seen to run', async () => {
    const steps = (await kind.install(windowsAgent, answers({ 'sc.exe query': nothing }))).map(describeStep);
    expect(steps.map((step) => step.split(' ').slice(0, 2).join(' '))).toEqual([
      'protect C:\\ProgramData\\Mailferry',
      ...['create', 'description', 'start'].map((word) => `sc.exe ${word}`),
      'wait until',
    ]);
  });

  test('of a machine without a device is not waited for: its agent ends, and is started again', async () => {
    const agent = { ...windowsAgent, isEnrolled: false };
    const steps = (await kind.install(agent, answers({ 'sc.exe query': nothing }))).map(describeStep);
    expect(steps.at(-1)).toBe('sc.exe start Mailferry');
  });

  test('its command survives Windows: the host, its log, and the agent with its words', async () => {
    const steps = await kind.install(windowsAgent, answers({ 'sc.exe query': nothing }));
    const { words } = steps.find(
      (step): step is Extract<Step, { do: 'run' }> => step.do === 'run' && step.words[0] === 'create',
    )!;
    expect(words[words.indexOf('binPath=') + 1]).toBe(
      '"C:\\Program Files\\Mailferry\\mailferry-service.exe" run C:\\ProgramData\\Mailferry\\agent.log -- ' +
        '"C:\\Program Files\\Mailferry\\mailferry.exe" agent --host --state C:\\ProgramData\\Mailferry',
    );
    expect(words[words.indexOf('start=') + 1]).toBe('delayed-auto');
  });

  test('one that is there is stopped and changed', async () => {
    const steps = (await kind.install(windowsAgent, answers({}))).map(describeStep);
    expect(steps.slice(0, 3)).toEqual([
      'sc.exe stop Mailferry',
      'wait until the service is stopped',
      'protect C:\\ProgramData\\Mailferry',
    ]);
    expect(steps[3]).toMatch(/^sc\.exe config Mailferry binPath= /);
  });

  /** A service manager as Windows' is: stop and start begin something, which takes some looks; its numbers are winsvc.h's. */
  function serviceManager({ state, looks, fails }: { state: number; looks: number; fails?: boolean }) {
    const now = { state, left: 0 };
    const run: Run = async (program, [word]) => {
      if (program !== 'sc.exe') return { code: 0, said: '' };
      if (word === 'stop') {
        if (now.state === 1) return { code: 1062, said: 'not started' };
        if (now.state === 3) return { code: 1061, said: 'takes no control now' };
        Object.assign(now, { state: 3, left: looks });
      } else if (word === 'start') {
        if (now.state !== 1) return { code: 1056, said: 'runs already' };
        Object.assign(now, { state: 2, left: looks });
      } else if (word === 'query') {
        if (now.left-- <= 0) now.state = { 3: 1, 2: fails ? 1 : 4 }[now.state] ?? now.state;
        return { code: 0, said: `SERVICE_NAME: Mailferry\n TYPE : 10  OWN\n STATE : ${now.state}  X\n` };
      }
      return { code: 0, said: '' };
    };
    return { now, run };
  }
  const installOver = async (manager: { run: Run }) => {
    const agent = { ...windowsAgent, stateRoot: join(tempDir(), 'Mailferry') };
    await takeSteps(await kind.install(agent, manager.run), manager.run, async () => {});
  };

  test.each([
    ['running', 4],
    ['stopping', 3],
    ['stopped', 1],
  ])('installed over one that is %s: it runs at the end, by what is told now', async (_, state) => {
    const manager = serviceManager({ state, looks: 20 });
    await installOver(manager);
    expect(manager.now.state).toBe(4);
  });

  test('one that never stops, or does not run in the end, is no success', async () => {
    const deaf = installOver(serviceManager({ state: 4, looks: 1_000 }));
    await expect(deaf).rejects.toMatchObject({
      code: 'service_failed',
      message: 'Waited 30 s in vain until the service is stopped.',
    });
    const broken = installOver(serviceManager({ state: 1, looks: 3, fails: true }));
    await expect(broken).rejects.toThrow(/^Waited 30 s in vain until the service runs; .*agent\.log/);
  });

  test('is removed once it has ended, and even where it does not', async () => {
    for (const looks of [10, 1_000]) {
      const manager = serviceManager({ state: 4, looks });
      const ran: string[] = [];
      const run: Run = (program, words) => {
        ran.push(`${words[0]} ${manager.now.state}`);
        return manager.run(program, words);
      };
      await takeSteps(await kind.uninstall(run), run, async () => {});
      expect(ran.at(-1)).toBe(`delete ${looks === 10 ? 1 : 3}`);
    }
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
    await expect(takeSteps(steps, denied, async () => {})).rejects.toMatchObject({
      code: 'service_failed',
      message: expect.stringContaining('`sc.exe delete Mailferry` failed: Access is denied.'),
    });
  });
});

describe('scheduled tasks', () => {
  const folder = 'C:\\ProgramData\\Mailferry';
  const kind = windowsTask({ folder });
  const stepsFor = async (stateRoot: string) =>
    (await kind.install({ ...windowsAgent, stateRoot }, answers({}))).map(describeStep);

  test('two are registered from files, one runs at once; one that runs is ended first', async () => {
    expect(await stepsFor(folder)).toEqual([
      'schtasks.exe /end /tn "Mailferry Agent"',
      'wait until the task has ended',
      'protect C:\\ProgramData\\Mailferry',
      'write C:\\ProgramData\\Mailferry\\Mailferry Agent.xml',
      'schtasks.exe "/create" "/tn" "Mailferry Agent" "/xml" "C:\\ProgramData\\Mailferry\\Mailferry Agent.xml" "/f"'.replaceAll(
        /"(\/\w+)"/g,
        '$1',
      ),
      'write C:\\ProgramData\\Mailferry\\Mailferry Wake.xml',
      'schtasks.exe /create /tn "Mailferry Wake" /xml "C:\\ProgramData\\Mailferry\\Mailferry Wake.xml" /f',
      'schtasks.exe /run /tn "Mailferry Agent"',
    ]);
  });

  test.each([
    ['D:\\mf', ['D:\\mf', folder]],
    ['c:\\programdata\\mailferry', ['c:\\programdata\\mailferry']],
  ])(
    'a state in %s: it and the definitions are protected before anything is written',
    async (root, folders) => {
      const steps = await stepsFor(root);
      const first = steps.findIndex((step) => step.startsWith('write'));
      expect(steps.slice(2, first)).toEqual(folders.map((path) => `protect ${path}`));
    },
  );

  test('one that runs is waited for, by what no language changes', async () => {
    const [, ended] = await kind.install(windowsAgent, answers({}));
    const says = [
      '"PC","\\Mailferry Agent","N/A","Uruchomiono","Interactive/Background","26.11.2026 11:00:00","267009"',
      '"PC","\\Mailferry Agent","N/A","Gotowe","Interactive/Background","26.11.2026 11:00:00","267014"',
    ];
    await takeSteps(
      [ended!],
      async () => ({ code: 0, said: says.shift()! }),
      async () => {},
    );
    expect(says).toEqual([]);
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
