// mailferry wake: asks the agent that runs in this state directory for a look, such as from a scheduled task.
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { loadIdentity } from '../state/state-directory.ts';
import { type WakeReason, wake } from '../triggers/wake-file.ts';

export interface WakeOptions {
  readonly reason: WakeReason;
}

export async function wakeAgent(
  { paths, terminal }: Context,
  _: string[],
  { reason }: WakeOptions,
): Promise<number> {
  await loadIdentity(paths);
  const heard = await wake(paths.root, reason);
  const said = heard
    ? 'The agent was asked for a look.'
    : `No agent that works in ${paths.root} heard of it; one that starts looks anyway.`;
  terminal.result(said, { reason, heard });
  return EXIT.ok;
}
