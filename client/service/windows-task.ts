// Kind of service for Windows without a program of our own under the service manager: two scheduled tasks as LocalSystem.
import { win32 } from 'node:path';
import type { AgentCommand, ServiceKind } from './service-kind.ts';
import type { Step } from './step.ts';
import { NETWORK_UP_EVENT, RESUME_EVENTS, type TaskDefinition, taskFile } from './task-xml.ts';
import { commandLine } from './windows-command-line.ts';
import { assertOwnFolder } from './windows-rights.ts';

/** The agent, for as long as the machine runs: started at boot, and again within an hour should it end. */
export const AGENT_TASK = 'Mailferry Agent';
/** Wakes the agent: what a task hears of and a program without a window or a service does not. */
export const WAKE_TASK = 'Mailferry Wake';

/** Minutes after which an agent that ended is started again; one that runs is left alone (IgnoreNew). */
const REVIVE_MINUTES = 60;

/** SCHED_S_TASK_RUNNING, as the last result of a task that runs; its state is told in translated words. From general knowledge. */
const RUNNING_NOW = '267009';
/** Far more than the end of a task takes, which waits for nothing. */
const END_SECONDS = 15;

export function agentTask({ self, stateRoot }: AgentCommand): TaskDefinition {
  const [program, ...words] = self;
  return {
    description: 'Runs the Mailferry agent, which backs up the mail that lives only on this machine.',
    triggers: [{ on: 'boot' }, { on: 'logon' }, { on: 'every', minutes: REVIVE_MINUTES }],
    program,
    words: commandLine([...words, 'agent', '--state', stateRoot]),
  };
}

export function wakeTask({ self, stateRoot }: AgentCommand): TaskDefinition {
  const [program, ...words] = self;
  return {
    description: 'Asks the Mailferry agent for a look after a logon, an unlock, a resume or a new network.',
    triggers: [{ on: 'logon' }, { on: 'unlock' }, ...RESUME_EVENTS, NETWORK_UP_EVENT],
    program,
    words: commandLine([...words, 'wake', '--reason', 'unlock', '--state', stateRoot]),
  };
}

/** `folder`: where the definitions are written before they are registered. */
export function windowsTask({ folder }: { folder: string }): ServiceKind {
  const schtasks = (words: string[], accept?: readonly number[] | 'any'): Step => ({
    do: 'run',
    program: 'schtasks.exe',
    words,
    ...(accept ? { accept } : {}),
  });
  const register = (name: string, task: TaskDefinition): Step[] => {
    const path = win32.join(folder, `${name}.xml`);
    return [
      { do: 'write', path, content: taskFile(task) },
      schtasks(['/create', '/tn', name, '/xml', path, '/f']),
    ];
  };
  return {
    name: 'task',
    async install(agent) {
      // Anybody may make and read in ProgramData; whoever writes a definition says what LocalSystem runs.
      const folders = [agent.stateRoot, folder].filter(
        (one, at, all) => all.findIndex((other) => other.toLowerCase() === one.toLowerCase()) === at,
      );
      for (const one of folders) await assertOwnFolder(one);
      return [
        // One that runs would go on as it was defined before, and the task that starts it anew would be ignored.
        schtasks(['/end', '/tn', AGENT_TASK], 'any'),
        {
          do: 'await',
          program: 'schtasks.exe',
          words: ['/query', '/tn', AGENT_TASK, '/v', '/fo', 'csv', '/nh'],
          what: 'the task has ended',
          until: ({ said }) => !said.includes(RUNNING_NOW),
          seconds: END_SECONDS,
          orGoOn: true,
        },
        ...folders.map((path): Step => ({ do: 'protect', path })),
        ...register(AGENT_TASK, agentTask(agent)),
        ...register(WAKE_TASK, wakeTask(agent)),
        schtasks(['/run', '/tn', AGENT_TASK]),
      ];
    },
    // 1: there is no such task, or it does not run; schtasks has no other code.
    uninstall: async () => [
      ...[AGENT_TASK, WAKE_TASK].flatMap((name) => [
        schtasks(['/end', '/tn', name], 'any'),
        schtasks(['/delete', '/tn', name, '/f'], [0, 1]),
      ]),
      ...[AGENT_TASK, WAKE_TASK].map(
        (name): Step => ({ do: 'remove', path: win32.join(folder, `${name}.xml`) }),
      ),
    ],
    async state(run) {
      const { code, said } = await run('schtasks.exe', ['/query', '/tn', AGENT_TASK, '/fo', 'list']);
      // Where it names no task it has not looked, whatever its exit code claims.
      return { installed: code === 0 && said.includes(AGENT_TASK), running: null };
    },
  };
}
