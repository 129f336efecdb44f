// The service installed over itself and by tasks, under Wine: the real service manager; stand-ins record what is asked about rights.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOST_COMPILER, hostCompilerWords } from '../../client/windows/package/service-host.ts';
import { mailferryOk, type RunningServer, removeServer, startOwnServer } from '../support/mailferry.ts';
import { lacks, named } from '../support/programs.ts';
import { installDevice, lacksWine, serviceTools, Wine, type WineRunning } from './wine.ts';

const reason = lacksWine() ?? lacks(HOST_COMPILER);
const HOST_SOURCE = fileURLToPath(
  new URL('../../client/windows/service-host/service-host.c', import.meta.url),
);
const NODE = 'C:\\mailferry\\node.exe';
const LOG = 'C:\\mf\\agent.log';
/** What takeown.exe was asked, a line each. */
const ASKED = 'C:\\asked.txt';

describe.skipIf(reason)(named('the Windows service, again', reason), () => {
  let wine: Wine;
  let main: string;
  let server: RunningServer;
  let env: ReturnType<typeof serviceTools>;
  /** As long as it runs Wine's service manager does. */
  let session: WineRunning;

  beforeAll(async () => {
    wine = new Wine();
    main = installDevice(wine);
    cpSync(realpathSync(wine.program('node')), wine.here(NODE));
    const host = wine.here('C:\\mailferry\\mailferry-service.exe');
    expect(spawnSync(HOST_COMPILER, hostCompilerWords(HOST_SOURCE, host)).status).toBe(0);
    env = serviceTools(wine);
    session = wine.start(NODE, ['-e', 'setTimeout(() => {}, 600_000)'], { timeout: 600_000 });
    server = await startOwnServer();
    const { json } = await mailferryOk('server', 'token', 'create', '--data', server.data, '--json');
    const enrolled = await wine.run(NODE, [main, 'enroll', '--server', server.url, '--state', 'C:\\mf'], {
      env: { MAILFERRY_TOKEN: json.token },
    });
    expect(enrolled.code).toBe(0);
    wine.write('C:\\users\\root\\Documents\\Outlook Files\\a.pst', 'not a store, but named as one');
    wine.write('C:\\mf\\replaced\\a.reg', 'secret');
  }, 120_000);

  afterAll(async () => {
    session?.child.kill('SIGKILL');
    await session?.ended;
    wine?.close();
    await removeServer(server);
  });

  const service = (...words: string[]) =>
    wine.run(NODE, [main, 'service', ...words, '--state', 'C:\\mf', '--json'], { env });
  const log = () => (existsSync(wine.here(LOG)) ? readFileSync(wine.here(LOG), 'utf8') : '');
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
