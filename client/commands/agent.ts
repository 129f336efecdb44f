// mailferry agent: runs until stopped: looks at the sources, backs up what changed, empties the queue.

import { suspectReason } from '../../shared/suspect.ts';
import { ChangeTeller } from '../backup/change-teller.ts';
import { chooseSources } from '../backup/choose-sources.ts';
import { runBackup } from '../backup/run-backup.ts';
import { protectionSentence, toldSources } from '../backup/told-sources.ts';
import { keepUnread, UnreadTeller } from '../backup/unread.ts';
import type { Context } from '../cli.ts';
import { type Device, withDevice } from '../device.ts';
import { deviceFailure, isStateDamage } from '../device-failure.ts';
import { enrolBySettings } from '../enrol-by-settings.ts';
import { EXIT } from '../exit-code.ts';
import { learnLostVault, recover } from '../healing/recover.ts';
import { followSettings, followSettingsFirst } from '../moving.ts';
import { deviceWay } from '../open-way.ts';
import { pause } from '../pause.ts';
import { loadSettings } from '../settings/load-settings.ts';
import type { Settings } from '../settings/settings.ts';
import type { SnapshotChoice } from '../snapshot/freezer.ts';
import { excluder } from '../sources/exclude.ts';
import { loadIdentity } from '../state/state-directory.ts';
import { bytesText } from '../terminal.ts';
import { agentTriggers } from '../triggers/agent-triggers.ts';
import { Lookout } from '../triggers/lookout.ts';
import { Sender } from '../upload/sender.ts';

export interface AgentOptions {
  /** Minutes. */
  readonly every?: number;
  /** Least time between two looks: minutes. */
  readonly minimum?: number;
  /** Whether a service host writes lines to standard input. */
  readonly host?: boolean;
  readonly snapshot?: SnapshotChoice;
  readonly quota?: number;
  /** Copies of what a mail server holds too. */
  readonly caches?: boolean;
}

/** Before a database that was damaged, or had no room, is opened anew. */
const REOPEN_MS = 5_000;

export async function agent(context: Context, given: string[], options: AgentOptions): Promise<number> {
  const { machine, terminal } = context;
  const { surroundings } = machine;
  const { settings } = await loadSettings(machine, {
    everyMinutes: options.every,
    minimumMinutes: options.minimum,
    snapshot: options.snapshot,
    caches: options.caches,
  });
  await enrolBySettings(context, settings);
  const paths = given.length > 0 ? given : settings.paths;
  const quota = options.quota ?? settings.stagingMegabytes * 1_000_000;
  while (!surroundings.stop.aborted) {
    try {
      const way = await deviceWay(context, settings);
      await followSettingsFirst(context, settings, way);
      const open = { paths: context.paths, surroundings, progress: terminal, quota, way };
      await withDevice(open, (device) =>
        attend(context, { device, paths, typed: given.length > 0, settings, host: options.host ?? false }),
      );
    } catch (error) {
      const failure = deviceFailure(error);
      // Opened again, a damaged database is put aside and made anew; a full disk has room again some time.
      if (failure.code !== 'state_damaged' && failure.code !== 'staging_full') throw error;
      terminal.say(`${failure.message} ${failure.hint}`);
      await pause(REOPEN_MS, surroundings.stop);
    }
  }
  terminal.say('The agent was stopped; what is queued goes on at its next start.');
  return EXIT.ok;
}

interface Watch {
  readonly device: Device;
  readonly paths: readonly string[];
  /** Whether the paths came with the command. */
  readonly typed: boolean;
  readonly settings: Settings;
  readonly host: boolean;
}

/** Looks and sends until the process is asked to end. */
async function attend(context: Context, { device, paths, typed, settings, host }: Watch): Promise<void> {
  const { terminal } = context;
  const pace = { everyMs: settings.everyMinutes * 60_000, minimumMs: settings.minimumMinutes * 60_000 };
  const over = new AbortController();
  const stop = AbortSignal.any([device.stop, over.signal]);
  const lookout = new Lookout({ settings: pace, now: device.now, stop });
  const sender = new Sender(device, {
    onReceipt: ({ version, sourceId, sent }) => {
      const what = version.complete
        ? `Receipt for ${version.path}: version ${version.id}`
        : `A part of ${version.path} is on the server, to go on from`;
      const suspect = suspectReason(version.healthNotes);
      const but = suspect === null ? '' : ` It is suspect: ${suspect}.`;
      terminal.say(`${what}, sent ${bytesText(sent)}.${but}`);
      // The rest of a source waits for its checkpoint, newer states for what was on its way.
      // What changes all the time is read again at the next check, not at once.
      if (device.sources.get(sourceId).lastFailure?.code === 'source_changed') return;
      if (!version.complete || device.queue.staged().packs === 0) lookout.tell('queue');
    },
    onReadAgain: () => lookout.tell('queue'),
    onBroken: () => lookout.tell('queue'),
  });
  const teller = new UnreadTeller((sentence) => terminal.say(sentence));
  const failures = new ChangeTeller((sentence) => terminal.say(sentence));
  try {
    await recover(device);
    sender.notify();
    device.line.onSign((sign) => lookout.tell(sign === 'woke' ? 'resume' : 'network-up'));
    lookout.listen(...agentTriggers(context, { host }));
    for (let first = true; ; first = false) {
      const reasons = await lookout.next();
      if (reasons.length === 0) return;
      if (sender.broken) throw sender.broken;
      // It is opened anew, with that address.
      if (!first && (await hasMoved(context, device))) return;
      // Somebody may have made room, or mended a line, of which this machine sees no sign.
      if (reasons.includes('asked')) sender.retryNow();
      const began = device.now();
      await look(context, { device, sender, paths, typed, settings, teller, failures, first });
      lookout.looked(began);
    }
  } finally {
    over.abort();
    await sender.close();
  }
}

/** Whether the server of this device has another address now: by the settings as they are now, or by what somebody said to `enroll`. */
async function hasMoved(context: Context, { paths, http, server, progress }: Device): Promise<boolean> {
  // Settings that are wrong by now count from the next start, which tells what is wrong.
  const now = await loadSettings(context.machine).catch(() => null);
  const say = (sentence: string) => progress.say(sentence);
  if (now !== null) await followSettings({ paths, http, say }, now.settings);
  return (await loadIdentity(paths)).server !== server.url('');
}

interface Look {
  readonly device: Device;
  readonly sender: Sender;
  readonly paths: readonly string[];
  /** Whether the paths came with the command. */
  readonly typed: boolean;
  readonly settings: Settings;
  readonly teller: UnreadTeller;
  readonly failures: ChangeTeller;
  readonly first: boolean;
}

/** Looks once. What fails is told, and never ends the agent. */
async function look(context: Context, how: Look): Promise<void> {
  const { device, sender, paths, typed, settings, teller, failures, first } = how;
  const { terminal, machine } = context;
  try {
    const { caches } = settings;
    await learnLostVault(device);
    const sources = await chooseSources(paths, {
      sources: device.sources,
      machine,
      caches,
      networkStores: settings.networkStores === 'live',
      searchAll: settings.search,
      isExcluded: excluder(settings.exclude, machine),
      typed: false,
      scratch: context.paths.exports,
      stop: device.stop,
      now: () => device.now(),
      onUnread: async (unread) => {
        teller.tell(unread);
        if (!typed) await keepUnread(context.paths, unread, machine.surroundings.now());
      },
    });
    if (device.stop.aborted) return;
    const { snapshot, goneDays } = settings;
    const { failed } = await runBackup(device, sender, {
      sources,
      snapshot,
      wait: false,
      goneDays,
      networkLive: settings.networkStores === 'live',
    });
    failures.tell(failed.map(({ path, message }) => `${path}: ${message}`));
    if (!first) return;
    const told = protectionSentence(await toldSources(device, { settings, machine, now: device.now() }));
    terminal.say(`${told}; the next look is in ${settings.everyMinutes} min.`);
  } catch (error) {
    if (isStateDamage(error)) throw error;
    const failure = deviceFailure(error);
    failures.tell([failure.message]);
  }
}
