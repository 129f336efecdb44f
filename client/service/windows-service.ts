// Kind of service for Windows: mailferry-service.exe under the service control manager, as LocalSystem.
import { win32 } from 'node:path';
import type { ServiceKind } from './service-kind.ts';
import type { Step } from './step.ts';
import { commandLine } from './windows-command-line.ts';

/** As the service control manager knows it. Also in client/windows/package/installer.ts. */
export const SERVICE_NAME = 'Mailferry';

/** Exit codes of sc.exe are Windows errors (winerror.h). */
const NO_SUCH_SERVICE = 1060;
const NOT_STARTED = 1062;
const ALREADY_RUNNING = 1056;

/** SERVICE_RUNNING (winsvc.h): the number behind `STATE`, whatever language the rest is in. */
const RUNNING = 4;

/** `host`: where mailferry-service.exe is. What the agent says goes to agent.log beside its state. */
export function windowsService({ host }: { host: string }): ServiceKind {
  const sc = (words: string[], accept?: readonly number[] | 'any'): Step => ({
    do: 'run',
    program: 'sc.exe',
    words,
    ...(accept ? { accept } : {}),
  });
  return {
    name: 'service',
    async install({ self, stateRoot }, run) {
      const there = (await run('sc.exe', ['query', SERVICE_NAME])).code === 0;
      const agent = [...self, 'agent', '--host', '--state', stateRoot];
      const words = [
        SERVICE_NAME,
        'binPath=',
        commandLine([host, 'run', win32.join(stateRoot, 'agent.log'), '--', ...agent]),
        'start=',
        'delayed-auto',
        'DisplayName=',
        'Mailferry',
      ];
      return [
        ...(there ? [sc(['stop', SERVICE_NAME], [0, NOT_STARTED])] : []),
        sc([there ? 'config' : 'create', ...words]),
        sc(['description', SERVICE_NAME, 'Backs up the mail that lives only on this machine.'], 'any'),
        sc(['start', SERVICE_NAME], [0, ALREADY_RUNNING]),
      ];
    },
    uninstall: async () => [
      sc(['stop', SERVICE_NAME], [0, NO_SUCH_SERVICE, NOT_STARTED]),
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
