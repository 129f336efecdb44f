// The triggers that a running agent has, by platform and by who started it.
import type { Context } from '../cli.ts';
import { hostLineTrigger } from './host-lines.ts';
import type { Trigger } from './lookout.ts';
import { mailProgramTrigger } from './mail-programs.ts';
import { processList } from './process-list.ts';
import { wakeTrigger } from './wake-file.ts';

/** `host`: a service host writes lines to standard input. */
export function agentTriggers(
  { machine, terminal, paths }: Context,
  { host }: { host: boolean },
): readonly Trigger[] {
  const say = (sentence: string) => terminal.say(sentence);
  return [
    mailProgramTrigger(processList(machine.platform, machine.env), say),
    wakeTrigger(paths.root, say),
    ...(host ? [hostLineTrigger(machine.input, machine.end)] : []),
  ];
}
