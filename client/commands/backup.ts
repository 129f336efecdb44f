// mailferry backup: one run over the paths given, or over everything known and found.
import { printable } from '../../shared/printable.ts';
import { healthWords } from '../../shared/store-header.ts';
import { suspectReason } from '../../shared/suspect.ts';
import { chooseSources } from '../backup/choose-sources.ts';
import { type RunResult, runBackup } from '../backup/run-backup.ts';
import { keepUnread, type Unread, unreadLine } from '../backup/unread.ts';
import type { Context } from '../cli.ts';
import { withDevice } from '../device.ts';
import { EXIT, exitCode } from '../exit-code.ts';
import { learnLostVault, recover } from '../healing/recover.ts';
import { clockTold } from '../line/clock-told.ts';
import { followSettingsFirst } from '../moving.ts';
import { deviceWay } from '../open-way.ts';
import { loadSettings } from '../settings/load-settings.ts';
import type { SnapshotChoice } from '../snapshot/freezer.ts';
import { excluder } from '../sources/exclude.ts';
import { bytesText, endOfPath } from '../terminal.ts';
import { shownPath } from '../typed-words.ts';
import { type Receipted, Sender } from '../upload/sender.ts';

export interface BackupOptions {
  readonly wait?: boolean;
  readonly snapshot?: SnapshotChoice;
  readonly quota?: number;
  /** Copies of what a mail server holds too. */
  readonly caches?: boolean;
  /** Reading live what can't be snapshotted is no partial success but what was asked for. */
  readonly liveIsFine?: boolean;
}

export async function backup(context: Context, given: string[], options: BackupOptions): Promise<number> {
  const { machine, terminal } = context;
  const { surroundings } = machine;
  const { settings } = await loadSettings(machine, { snapshot: options.snapshot, caches: options.caches });
  const paths = given.length > 0 ? given : settings.paths;
  const quota = options.quota ?? settings.stagingMegabytes * 1_000_000;
  const way = await deviceWay(context, settings);
  await followSettingsFirst(context, settings, way);
  const open = { paths: context.paths, surroundings, progress: terminal, quota, way };
  return withDevice(open, async (device) => {
    const { caches, snapshot, goneDays } = settings;
    const typed = given.length > 0;
    await learnLostVault(device);
    const scratch = context.paths.exports;
    const unread: Unread[] = [];
    const sources = await chooseSources(paths, {
      sources: device.sources,
      machine,
      caches,
      networkStores: settings.networkStores === 'live',
      searchAll: settings.search,
      isExcluded: excluder(settings.exclude, machine),
      typed,
      scratch,
      stop: device.stop,
      now: surroundings.now,
      onUnread: async (found) => {
        unread.push(...found);
        if (!typed) await keepUnread(context.paths, found, machine.surroundings.now());
      },
    });
    const receipts = new Map<string, Receipted>();
    const sender = new Sender(device, {
      onReceipt: (receipted) => receipts.set(receipted.version.id, receipted),
    });
    const wait = options.wait ?? false;
    try {
      await recover(device);
      const result = await runBackup(device, sender, {
        sources,
        snapshot,
        wait,
        typed,
        goneDays,
        networkLive: settings.networkStores === 'live',
      });
      return report(context, {
        result: options.liveIsFine ? { ...result, live: [] } : result,
        receipts,
        unread,
        queue: device.queue.staged(),
        waited: wait,
        clockAheadMs: device.server.clockAheadMs,
      });
    } finally {
      await sender.close();
    }
  });
}

export interface RunReport {
  readonly result: RunResult;
  readonly receipts: ReadonlyMap<string, Receipted>;
  readonly unread: readonly Unread[];
  readonly queue: { readonly packs: number; readonly bytes: number };
  readonly waited: boolean;
  /** By how much this machine's clock is ahead of the server's; null: it did not answer. */
  readonly clockAheadMs: number | null;
}

/** What a run came to, told; the exit code. */
export function report(
  context: Context,
  { result, receipts, unread, queue, waited, clockAheadMs }: RunReport,
): number {
  const { terminal, machine } = context;
  const told = result.versions
    .map((id) => receipts.get(id))
    .filter((each) => each !== undefined)
    .map((each) => describeVersion(each, context))
    .sort((one, other) => one.sequence - other.sequence);
  const lines = told.flatMap(({ text, suspect }) =>
    suspect === null
      ? [text]
      : [text, printable(`  SUSPECT: ${suspect}. It is kept, and so are the versions before it.`)],
  );
  if (result.unchanged > 0)
    lines.push(`unchanged: ${result.unchanged}, 0 packs, ${result.snapshots} snapshots`);
  for (const failure of result.failed) lines.push(printable(`failed: ${failure.path}: ${failure.message}`));
  for (const path of result.gone)
    lines.push(
      printable(`gone: ${path}; its versions stay on the server (\`mailferry forget\` ends this line)`),
    );
  for (const one of unread) lines.push(printable(unreadLine(one)));
  const clock = clockTold(clockAheadMs);
  if (clock !== null) lines.push(clock);
  if (!waited && queue.packs > 0) {
    lines.push(`queued: ${queue.packs} packs, ${bytesText(queue.bytes)}; \`mailferry agent\` sends them`);
  }
  const { unchanged, snapshots, failed } = result;
  terminal.result(lines.join('\n'), {
    versions: told.map(({ json }) => json),
    unchanged,
    snapshots,
    failed,
    live: result.live,
    gone: result.gone,
    unread: unread.map(({ path, text }) => ({ path, text })),
    queue,
    clock: { differenceMs: clockAheadMs },
  });
  if (machine.surroundings.stop.aborted) return EXIT.stopped;
  if (failed.length === 0) return result.live.length + unread.length > 0 ? EXIT.partial : EXIT.ok;
  if (result.versions.length + unchanged > 0) return EXIT.partial;
  const codes = new Set(failed.map(({ code }) => exitCode(code)));
  return waited && codes.size === 1 ? [...codes][0]! : EXIT.failed;
}

/** How a receipted version is told: in one line, where the screen is wide enough for the end of its path. */
function describeVersion(
  { version, sent }: Receipted,
  { terminal, machine }: Context,
): { sequence: number; json: object; text: string; suspect: string | null } {
  const { id, path, kind, size, sha256, snapshot, health, receipt } = version;
  const { sequence } = JSON.parse(receipt.statement) as { sequence: number };
  const suspect = suspectReason(version.healthNotes);
  const read =
    snapshot === 'live' || snapshot === 'export'
      ? { live: 'read live', export: 'exported from the registry' }[snapshot]
      : `read from a ${snapshot} snapshot`;
  const words = kind === 'pst' || kind === 'ost' ? `${healthWords({ verdict: health })}, ${read}` : read;
  const head = `receipt ${sequence}: ${bytesText(size)}, sent ${bytesText(sent)}, ${words}: `;
  const name = printable(shownPath(path, machine));
  const room = (terminal.columns ?? Number.POSITIVE_INFINITY) - head.length;
  return {
    sequence,
    json: {
      id,
      path,
      size,
      sha256,
      sent,
      snapshot,
      health,
      receipt,
      ...(suspect === null ? {} : { suspect }),
    },
    suspect,
    text: head + endOfPath(name, Math.max(MIN_NAME, room)),
  };
}

/** Least characters of a path that are shown, however narrow the screen is. */
const MIN_NAME = 20;
