// mailferry wake: asks the agent that runs in this state directory for a look, such as from a scheduled task.
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { type WakeReason, wake } from '../triggers/wake-file.ts';

export interface WakeOptions {
  readonly reason: WakeReason;
}

export async function wakeAgent(
  { paths, terminal }: Context,
  _: string[],
  { reason }: WakeOptions,
): Promise<number> {
  wake(paths.root, reason);
  terminal.result('The agent was asked for a look.', { reason });
  return EXIT.ok;
}
