// The service installed over itself and by tasks, under Wine: the real service manager; stand-ins record what is asked about rights.
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { named } from '../support/programs.ts';
import { lacksServiceMachine, serviceMachine } from './service-machine.ts';
import type { Wine } from './wine.ts';

const reason = lacksServiceMachine();
/** What takeown.exe was asked, a line each. */
const ASKED = 'C:\\asked.txt';

describe.skipIf(reason)(named('the Windows service, again', reason), () => {
  let machine: Awaited<ReturnType<typeof serviceMachine>>;
  let wine: Wine;

  beforeAll(async () => {
    machine = await serviceMachine('C:\\mf');
    ({ wine } = machine);
    wine.write('C:\\users\\root\\Documents\\Outlook Files\\a.pst', 'not a store, but named as one');
    wine.write('C:\\mf\\replaced\\a.reg', 'secret');
  }, 120_000);
  afterAll(() => machine?.close());

  const service = (...words: string[]) => machine.service(...words);
  const log = () => machine.log();
  const starts = () => log().match(/sources are protected/g)?.length ?? 0;

  test('installed over one that runs: that is stopped, and the new one runs when it is told', async () => {
    expect(await service('install')).toMatchObject({ code: 0, json: { dryRun: false } });
    await expect.poll(starts, { timeout: 30_000 }).toBe(1);
    expect(await service('install')).toMatchObject({ code: 0, json: { dryRun: false } });
    expect(await service('status')).toMatchObject({ code: 0, json: { installed: true, running: true } });
    expect(log()).toContain('The agent was stopped');
    await expect.poll(starts, { timeout: 30_000 }).toBe(2);
    expect(await service('status')).toMatchObject({ json: { running: true } });
    // Removed once it has ended, it can be installed again at once.
    expect(await service('uninstall')).toMatchObject({ code: 0 });
    expect(await service('install')).toMatchObject({ code: 0, json: { dryRun: false } });
    expect(await service('status')).toMatchObject({ json: { installed: true, running: true } });
    expect(await service('uninstall')).toMatchObject({ code: 0 });
  }, 120_000);

  test.each(['service', 'task'])(
    'the state directory itself is protected, with all in it (%s)',
    async (kind) => {
      wine.remove(ASKED);
      const installed = await service('install', '--as', kind);
      expect(installed).toMatchObject({ code: 0, json: { dryRun: false } });
      const asked = readFileSync(wine.here(ASKED), 'utf8');
      for (const what of ['C:\\mf', 'C:\\mf\\*', 'C:\\mf\\replaced\\*'])
        expect(asked).toContain(`takeown.exe /F ${what} /A`);
      expect(asked.includes('C:\\ProgramData\\Mailferry')).toBe(kind === 'task');
      expect(await service('uninstall', '--as', kind)).toMatchObject({ code: 0 });
    },
    120_000,
  );

  test('a folder with other files is refused, and nothing of it is asked for', async () => {
    wine.remove(ASKED);
    wine.write('C:\\mf\\list.xlsx', 'somebody else');
    for (const kind of ['service', 'task'])
      expect(await service('install', '--as', kind)).toMatchObject({
        code: 1,
        json: { error: { code: 'service_failed', message: expect.stringContaining('list.xlsx') } },
      });
    expect(existsSync(wine.here(ASKED))).toBe(false);
    expect(await service('status')).toMatchObject({ json: { installed: false } });
  }, 60_000);
});
