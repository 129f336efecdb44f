// mailferry agent: runs until stopped: looks at the sources, backs up what changed, empties the queue.
import { asFailure } from '../../shared/failure.ts';
import { chooseSources } from '../choose-sources.ts';
import type { Context } from '../cli.ts';
import { withDevice } from '../device.ts';
import { EXIT } from '../exit-code.ts';
import type { SnapshotChoice } from '../freezer.ts';
import { recover, runBackup } from '../run-backup.ts';
import { Sender } from '../sender.ts';
import { DEFAULT_QUOTA } from '../staging.ts';
import { bytesText } from '../terminal.ts';
import { agentTriggers } from '../triggers/agent-triggers.ts';
import { Lookout } from '../triggers/lookout.ts';

export interface AgentOptions {
  /** Minutes. */
  readonly every: number;
  /** Least time between two looks: minutes. */
  readonly minimum?: number;
  /** Whether a service host writes lines to standard input. */
  readonly host?: boolean;
  readonly snapshot?: SnapshotChoice;
  readonly quota?: number;
  /** Copies of what a mail server holds too. */
  readonly caches?: boolean;
}

/** A look at a locked store costs a snapshot: no more than one in this time, however often a screen is unlocked. */
const MINIMUM_MINUTES = 5;

export async function agent(context: Context, paths: string[], options: AgentOptions): Promise<number> {
  const { machine, terminal } = context;
  const { surroundings } = machine;
  const quota = options.quota ?? DEFAULT_QUOTA;
  await withDevice({ paths: context.paths, surroundings, progress: terminal, quota }, async (device) => {
    const sender = new Sender(device, ({ version, sent }) => {
      terminal.say(`Receipt for ${version.path}: version ${version.id}, sent ${bytesText(sent)}.`);
    });
    await recover(device);
    sender.notify();
    const settings = {
      everyMs: options.every * 60_000,
      minimumMs: (options.minimum ?? MINIMUM_MINUTES) * 60_000,
    };
    const lookout = new Lookout({ settings, now: device.now, stop: device.stop });
    lookout.listen(...agentTriggers(context, { host: options.host ?? false }));
    for (let round = 0; (await lookout.next()).length > 0; round++) {
      const began = device.now();
      const choosing = { sources: device.sources, machine, caches: options.caches ?? false };
      const sources = await chooseSources(paths, choosing).catch((error) => {
        // A machine may get its mail later than its agent.
        if (paths.length > 0 || asFailure(error).code !== 'source_missing') throw error;
        if (round === 0) terminal.say(asFailure(error).message);
        return [];
      });
      const choice = options.snapshot ?? 'require';
      const result = await runBackup(device, sender, { sources, snapshot: choice, wait: true });
      for (const failure of result.failed) terminal.say(`${failure.path}: ${failure.message}`);
      if (round === 0)
        terminal.say(`${sources.length} sources are protected; the next look is in ${options.every} min.`);
      lookout.looked(began);
    }
    await sender.close();
    terminal.say('The agent was stopped; what is queued goes on at its next start.');
  });
  return EXIT.ok;
}
