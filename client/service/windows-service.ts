// Kind of service for Windows: mailferry-service.exe under the service control manager, as LocalSystem.
import { win32 } from 'node:path';
import type { ServiceKind } from './service-kind.ts';
import type { Ran, Step } from './step.ts';
import { commandLine } from './windows-command-line.ts';
import { assertOwnFolder } from './windows-rights.ts';

/** As the service control manager knows it. Also in client/windows/package/installer.ts. */
export const SERVICE_NAME = 'Mailferry';

/** Exit codes of sc.exe are Windows errors (winerror.h). */
const NO_SUCH_SERVICE = 1060;
const NOT_STARTED = 1062;
/** It is stopping already, or still starting. */
const TAKES_NO_CONTROL = 1061;

/** SERVICE_STOPPED and SERVICE_RUNNING (winsvc.h): the number behind `STATE`, whatever language the rest is in. */
const STOPPED = 1;
const RUNNING = 4;

/** Far more than the host takes, which ends an agent that does not end itself after 4.8 s. */
const STOP_SECONDS = 30;
/** The host says that it runs as soon as its agent was started. */
const START_SECONDS = 30;

/** `host`: where mailferry-service.exe is. What the agent says goes to agent.log beside its state. */
export function windowsService({ host }: { host: string }): ServiceKind {
  const sc = (words: string[], accept?: readonly number[] | 'any'): Step => ({
    do: 'run',
    program: 'sc.exe',
    words,
    ...(accept ? { accept } : {}),
  });
  // `sc stop` and `sc start` do not wait: what was asked for is not so yet when they end.
  const isState = (what: string, isSo: (ran: Ran) => boolean, seconds: number, orGoOn: boolean): Step => ({
    do: 'await',
    program: 'sc.exe',
    words: ['query', SERVICE_NAME],
    what,
    until: isSo,
    seconds,
    orGoOn,
  });
  const isStopped = ({ code, said }: Ran) => code === NO_SUCH_SERVICE || stateNumber(said) === STOPPED;
  return {
    name: 'service',
    async install({ self, stateRoot, isEnrolled }, run) {
      await assertOwnFolder(stateRoot);
      const there = (await run('sc.exe', ['query', SERVICE_NAME])).code === 0;
      const log = win32.join(stateRoot, 'agent.log');
      const agent = [...self, 'agent', '--host', '--state', stateRoot];
      const words = [
        SERVICE_NAME,
        'binPath=',
        commandLine([host, 'run', log, '--', ...agent]),
        'start=',
        'delayed-auto',
        'DisplayName=',
        'Mailferry',
      ];
      return [
        ...(there
          ? [
              sc(['stop', SERVICE_NAME], [0, NOT_STARTED, TAKES_NO_CONTROL]),
              isState('the service is stopped', isStopped, STOP_SECONDS, false),
            ]
          : []),
        { do: 'protect', path: stateRoot },
        sc([there ? 'config' : 'create', ...words]),
        sc(['description', SERVICE_NAME, 'Backs up the mail that lives only on this machine.'], 'any'),
        sc(['start', SERVICE_NAME]),
        ...(isEnrolled
          ? [
              isState(
                `the service runs; ${log} says why it does not`,
                ({ said }) => stateNumber(said) === RUNNING,
                START_SECONDS,
                false,
              ),
            ]
          : []),
      ];
    },
    uninstall: async () => [
      sc(['stop', SERVICE_NAME], [0, NO_SUCH_SERVICE, NOT_STARTED, TAKES_NO_CONTROL]),
      // One that runs is only marked for removal, and can't be installed again before it has ended.
      isState('the service is stopped', isStopped, STOP_SECONDS, true),
      sc(['delete', SERVICE_NAME], [0, NO_SUCH_SERVICE]),
    ],
    async state(run) {
      const { code, said } = await run('sc.exe', ['query', SERVICE_NAME]);
      return { installed: code === 0, running: code === 0 && stateNumber(said) === RUNNING };
    },
  };
}

/** The state in what `sc query` said: the second row with a number after a colon, since the words are translated. */
export function stateNumber(said: string): number | null {
  const rows = [...said.matchAll(/^\s*[^:\r\n]+:\s+(\d+)\s/gm)];
  return rows[1] ? Number(rows[1][1]) : null;
}

/** Where the host lies when this program was installed by the installer: beside it. */
export function hostBeside(program: string): string {
  return win32.join(win32.dirname(program), 'mailferry-service.exe');
}
