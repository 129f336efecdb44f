// mailferry agent: runs until stopped: looks at the sources, backs up what changed, empties the queue.

import { asFailure } from '../../shared/failure.ts';
import { chooseSources } from '../choose-sources.ts';
import type { Context } from '../cli.ts';
import { type Device, withDevice } from '../device.ts';
import { isStateDamage } from '../device-failure.ts';
import { EXIT } from '../exit-code.ts';
import type { SnapshotChoice } from '../freezer.ts';
import { pause } from '../pause.ts';
import { recover } from '../recover.ts';
import { runBackup } from '../run-backup.ts';
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
/** Before a damaged database is opened anew. */
const REOPEN_MS = 1_000;

export async function agent(context: Context, paths: string[], options: AgentOptions): Promise<number> {
  const { machine, terminal } = context;
  const { surroundings } = machine;
  const quota = options.quota ?? DEFAULT_QUOTA;
  while (!surroundings.stop.aborted) {
    try {
      const open = { paths: context.paths, surroundings, progress: terminal, quota };
      await withDevice(open, (device) => attend(context, device, paths, options));
    } catch (error) {
      // Opened again, a damaged database is put aside and made anew.
      if (!isStateDamage(error)) throw error;
      terminal.say(asFailure(error).message);
      await pause(REOPEN_MS, surroundings.stop);
    }
  }
  terminal.say('The agent was stopped; what is queued goes on at its next start.');
  return EXIT.ok;
}

/** Looks and sends until the process is asked to end. */
async function attend(
  context: Context,
  device: Device,
  paths: readonly string[],
  options: AgentOptions,
): Promise<void> {
  const { terminal } = context;
  const settings = {
    everyMs: options.every * 60_000,
    minimumMs: (options.minimum ?? MINIMUM_MINUTES) * 60_000,
  };
  const lookout = new Lookout({ settings, now: device.now, stop: device.stop });
  const sender = new Sender(device, {
    onReceipt: ({ version, sent }) => {
      terminal.say(`Receipt for ${version.path}: version ${version.id}, sent ${bytesText(sent)}.`);
      // Newer states wait for what was on its way, and the rest of a source for its checkpoint.
      lookout.tell('queue');
    },
    onReadAgain: () => lookout.tell('queue'),
  });
  try {
    await recover(device);
    sender.notify();
    device.line.onSign((sign) => lookout.tell(sign === 'woke' ? 'resume' : 'network-up'));
    lookout.listen(...agentTriggers(context, { host: options.host ?? false }));
    for (let first = true; (await lookout.next()).length > 0; first = false) {
      const began = device.now();
      await look(context, { device, sender, paths, options, first });
      lookout.looked(began);
    }
  } finally {
    await sender.close();
  }
}

interface Look {
  readonly device: Device;
  readonly sender: Sender;
  readonly paths: readonly string[];
  readonly options: AgentOptions;
  readonly first: boolean;
}

/** Looks once. What fails is told, and never ends the agent. */
async function look(context: Context, { device, sender, paths, options, first }: Look): Promise<void> {
  const { terminal, machine } = context;
  try {
    const choosing = {
      sources: device.sources,
      machine,
      caches: options.caches ?? false,
      scratch: context.paths.exports,
    };
    const sources = await chooseSources(paths, choosing);
    const snapshot = options.snapshot ?? 'require';
    const { failed } = await runBackup(device, sender, { sources, snapshot, wait: false });
    for (const failure of failed) terminal.say(`${failure.path}: ${failure.message}`);
    if (first)
      terminal.say(`${sources.length} sources are protected; the next look is in ${options.every} min.`);
  } catch (error) {
    if (isStateDamage(error)) throw error;
    const failure = asFailure(error);
    // A machine may get its mail later than its agent: that there is none is told once.
    if (first || failure.code !== 'source_missing') terminal.say(failure.message);
  }
}
