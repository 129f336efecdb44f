// A Windows under Wine on which the service can be installed: Node, the device and its host in one folder, enrolled with a server of its own.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { HOST_COMPILER, hostCompilerWords } from '../../client/windows/package/service-host.ts';
import { mailferryOk, removeServer, startOwnServer } from '../support/mailferry.ts';
import { lacks } from '../support/programs.ts';
import { installDevice, lacksWine, serviceTools, Wine } from './wine.ts';

const HOST_SOURCE = fileURLToPath(
  new URL('../../client/windows/service-host/service-host.c', import.meta.url),
);
export const NODE = 'C:\\mailferry\\node.exe';

/** null where such a machine can be had here, else why not. */
export const lacksServiceMachine = (): string | null => lacksWine() ?? lacks(HOST_COMPILER);

/**
 * `state`: the device's state directory there; its service writes agent.log in it. Whoever called closes it; where it did not come
 * up, what there is of it is closed already.
 */
export async function serviceMachine(state: string) {
  const wine = new Wine();
  const ends: (() => unknown)[] = [() => wine.close()];
  const close = async () => {
    for (const end of ends.reverse()) await end();
  };
  try {
    const main = installDevice(wine);
    cpSync(realpathSync(wine.program('node')), wine.here(NODE));
    const host = wine.here('C:\\mailferry\\mailferry-service.exe');
    const built = spawnSync(HOST_COMPILER, hostCompilerWords(HOST_SOURCE, host), { encoding: 'utf8' });
    expect(built.stderr).toBe('');
    const env = serviceTools(wine);
    // As long as it runs Wine's service manager does.
    const session = wine.start(NODE, ['-e', 'setTimeout(() => {}, 600_000)'], { timeout: 600_000 });
    ends.push(() => {
      session.child.kill('SIGKILL');
      return session.ended;
    });
    const server = await startOwnServer();
    ends.unshift(() => removeServer(server));
    const { json } = await mailferryOk('server', 'token', 'create', '--data', server.data, '--json');
    const enrolled = await wine.run(NODE, [main, 'enroll', '--server', server.url, '--state', state], {
      env: { MAILFERRY_TOKEN: json.token },
    });
    expect(enrolled.code).toBe(0);
    const log = wine.here(`${state}\\agent.log`);
    return {
      wine,
      main,
      close,
      /** `mailferry service`, with these words. */
      service: (...words: string[]) =>
        wine.run(NODE, [main, 'service', ...words, '--state', state, '--json'], { env }),
      /** What the agent has written so far. */
      log: () => (existsSync(log) ? readFileSync(log, 'utf8') : ''),
    };
  } catch (error) {
    await close();
    throw error;
  }
}
