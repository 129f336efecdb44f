// mailferry status: the queue, the sources and whether the server answers; runs beside the agent.

import { existsSync } from 'node:fs';
import { asFailure, FAILURES, isFailureCode } from '../../shared/failure.ts';
import { printable } from '../../shared/printable.ts';
import type { SnapshotKind } from '../../shared/protocol.ts';
import { type Telling, toldSources } from '../backup/told-sources.ts';
import { lastSearch, searchLine, unreadLine } from '../backup/unread.ts';
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { clearTextWarning } from '../http/plain-http.ts';
import { clockTold } from '../line/clock-told.ts';
import { DEFAULTS } from '../settings/defaults.ts';
import { loadSettings } from '../settings/load-settings.ts';
import type { Settings } from '../settings/settings.ts';
import { openDeviceDb } from '../state/device-db.ts';
import { Queue } from '../state/queue.ts';
import { type Source, SourceRegistry } from '../state/source-registry.ts';
import { ownServerData } from '../state/state-directory.ts';
import { bytesText } from '../terminal.ts';
import { withServer } from '../with-server.ts';

/** How long the server may take to say that it is there. */
const PATIENCE_MS = 5_000;

/** What went wrong with a source last, and what to do about it. */
function failureOf({ lastFailure }: Source): { message?: string; hint?: string } {
  if (!lastFailure) return {};
  const { code, message } = lastFailure;
  return { message, hint: isFailureCode(code) ? FAILURES[code].hint : '' };
}

export async function status(context: Context): Promise<number> {
  const { machine, terminal, paths } = context;
  // What is wrong with settings keeps nobody from seeing what is protected.
  const settings: Settings = await loadSettings(machine).then(
    (resolved) => resolved.settings,
    (error: unknown) => {
      terminal.say(asFailure(error).message);
      return DEFAULTS;
    },
  );
  return withServer(
    context,
    async (server, identity) => {
      const failure = await server
        .request('GET', '/healthz', { signal: AbortSignal.timeout(PATIENCE_MS) })
        .then(({ body }) => {
          body.resume();
          return null;
        })
        .catch(asFailure);
      const reachable = failure === null;
      const asleep =
        ownServerData(paths) === null
          ? 'does not answer; everything waits in the queue'
          : 'is that of `mailferry up`, which does not run now';
      const { queue, sources } = await localState(paths.db, { settings, machine, now: machine.now() });
      const search = await lastSearch(paths);
      const { unread } = search;
      const warning = clearTextWarning(identity.server);
      const clock = clockTold(server.clockAheadMs);
      const lines = [
        `server: ${identity.server} ${reachable ? 'answers' : asleep}`,
        ...(failure === null ? [] : [`  ${printable(`${failure.message} ${failure.hint}`)}`]),
        ...(warning === null ? [] : [warning]),
        ...(clock === null ? [] : [clock]),
        `queue: ${queue.packs} packs, ${bytesText(queue.bytes)}`,
        searchLine(search, machine.now()),
        ...sources.flatMap((source) => linesOf(source)),
        ...unread.map((one) => printable(unreadLine(one))),
      ];
      terminal.result(lines.join('\n'), {
        queue,
        sources,
        unread,
        search: { searchedAt: search.searchedAt, completeAt: search.completeAt },
        server: {
          url: identity.server,
          reachable,
          ...(warning === null ? {} : { encrypted: false }),
          ...(failure === null
            ? {}
            : { code: failure.code, message: failure.message, hint: failure.hint, ...failure.detail }),
        },
        clock: { differenceMs: server.clockAheadMs },
      });
      return EXIT.ok;
    },
    settings,
  );
}

interface SourceTold {
  readonly path: string;
  readonly lastReceiptAt: string | null;
  readonly checkedAt: string | null;
  readonly snapshot: SnapshotKind | null;
  readonly state: string;
  readonly protected: boolean;
  /** Why it is not protected. */
  readonly why?: string;
  readonly message?: string;
  readonly hint?: string;
}

function linesOf({
  path,
  state,
  lastReceiptAt,
  snapshot,
  why,
  message,
  hint,
  ...told
}: SourceTold): string[] {
  const receipt = lastReceiptAt ?? (told.protected ? 'an older receipt' : 'no receipt yet');
  const live = snapshot === 'live' ? ' (read live, not from a snapshot)' : '';
  const reason = why === undefined || why === 'no receipt yet' || message !== undefined ? '' : ` (${why})`;
  return [
    `${state.padEnd(10)} ${receipt}  ${printable(path)}${live}${printable(reason)}`,
    ...(message === undefined ? [] : [`  ${printable(`${message} ${hint}`)}`]),
  ];
}

async function localState(
  path: string,
  telling: Telling,
): Promise<{ queue: { packs: number; bytes: number }; sources: readonly SourceTold[] }> {
  if (!existsSync(path)) return { queue: { packs: 0, bytes: 0 }, sources: [] };
  const db = openDeviceDb(path, { readonly: true });
  try {
    const queue = new Queue(db);
    const told = await toldSources({ sources: new SourceRegistry(db), queue }, telling);
    const sources = told.map(({ source, protection }) => ({
      path: source.path,
      lastReceiptAt: source.lastReceiptAt,
      checkedAt: source.checkedAt,
      snapshot: source.lastSnapshot,
      state: protection.state,
      protected: protection.isProtected,
      ...(protection.why === null ? {} : { why: protection.why }),
      ...(protection.state === 'forgotten' || protection.state === 'excluded' ? {} : failureOf(source)),
    }));
    return { queue: queue.staged(), sources };
  } finally {
    db.close();
  }
}
