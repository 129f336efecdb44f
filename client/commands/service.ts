// mailferry service: has the system keep the agent running, ends that, and tells whether it does.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { chooseService, requireFiles, type ServiceOptions } from '../service/choose-service.ts';
import { describeStep, runProgram, type Step, takeSteps } from '../service/step.ts';

export interface ServiceCommandOptions extends ServiceOptions {
  /** Show the steps, take none. */
  readonly dryRun?: boolean;
}

async function take(context: Context, steps: readonly Step[], options: ServiceCommandOptions, done: string) {
  const { terminal } = context;
  const shown = steps.map(describeStep);
  if (options.dryRun) {
    terminal.result(shown.join('\n'), { steps: shown, dryRun: true });
    return EXIT.ok;
  }
  await takeSteps(steps, runProgram);
  terminal.result(done, { steps: shown, dryRun: false });
  return EXIT.ok;
}

export async function installService(
  context: Context,
  _: string[],
  options: ServiceCommandOptions,
): Promise<number> {
  const { machine, paths, terminal } = context;
  const kind = chooseService(machine, options);
  if (!options.dryRun) requireFiles(kind, machine);
  const isEnrolled = existsSync(paths.identity);
  if (!isEnrolled) {
    terminal.say(
      `No device is enrolled in ${paths.root} yet: run \`mailferry enroll --state ${paths.root}\`.`,
    );
  }
  const agent = { self: machine.self, stateRoot: resolve(paths.root), isEnrolled };
  const done = isEnrolled
    ? `The agent runs, and starts with the machine (${kind.name}).`
    : `The agent starts with the machine (${kind.name}), and works once a device is enrolled.`;
  return take(context, await kind.install(agent, runProgram), options, done);
}

export async function uninstallService(
  context: Context,
  _: string[],
  options: ServiceCommandOptions,
): Promise<number> {
  const kind = chooseService(context.machine, options);
  const steps = await kind.uninstall(runProgram);
  return take(
    context,
    steps,
    options,
    `The agent is no ${kind.name} any more; its state and settings are kept.`,
  );
}

/** Exit code 0 where it is installed and runs, as far as that can be told. */
export async function serviceStatus(context: Context, _: string[], options: ServiceOptions): Promise<number> {
  const kind = chooseService(context.machine, options);
  const { installed, running } = await kind.state(runProgram);
  const runs = running === null ? 'is there' : running ? 'runs' : 'does not run';
  const said = installed ? runs : 'is not installed';
  context.terminal.result(`The ${kind.name} ${said}.`, { kind: kind.name, installed, running });
  return installed && running !== false ? EXIT.ok : EXIT.failed;
}
