// mailferry status: the queue, the sources and whether the server answers; runs beside the agent.

import { existsSync } from 'node:fs';
import { FAILURES, isFailureCode } from '../../shared/failure.ts';
import { printable } from '../../shared/printable.ts';
import { lastUnread, unreadLine } from '../backup/unread.ts';
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { clockTold } from '../line/clock-told.ts';
import { openDeviceDb } from '../state/device-db.ts';
import { Queue } from '../state/queue.ts';
import { isTaken, type Source, SourceRegistry } from '../state/source-registry.ts';
import { ownServerData } from '../state/state-directory.ts';
import { bytesText } from '../terminal.ts';
import { withServer } from '../with-server.ts';

/** How long the server may take to say that it is there. */
const PATIENCE_MS = 5_000;

/** A source's state in one word. */
function stateOf(source: Source, queued: boolean): string {
  if (source.lastFailure) return source.lastFailure.code;
  if (queued) return 'queued';
  return isTaken(source) ? 'backed-up' : 'new';
}

/** What went wrong with a source last, and what to do about it. */
function failureOf({ lastFailure }: Source): { message?: string; hint?: string } {
  if (!lastFailure) return {};
  const { code, message } = lastFailure;
  return { message, hint: isFailureCode(code) ? FAILURES[code].hint : '' };
}

export async function status({ machine, terminal, paths }: Context): Promise<number> {
  return withServer(paths, machine.surroundings.now, async (server, identity) => {
    const reachable = await server
      .request('GET', '/healthz', { signal: AbortSignal.timeout(PATIENCE_MS) })
      .then(({ body }) => {
        body.resume();
        return true;
      })
      .catch(() => false);
    const asleep =
      ownServerData(paths) === null
        ? 'does not answer; everything waits in the queue'
        : 'is that of `mailferry up`, which does not run now';
    const { queue, sources } = localState(paths.db);
    const unread = await lastUnread(paths);
    const clock = clockTold(server.clockAheadMs);
    const lines = [
      `server: ${identity.server} ${reachable ? 'answers' : asleep}`,
      ...(clock === null ? [] : [clock]),
      `queue: ${queue.packs} packs, ${bytesText(queue.bytes)}`,
      ...sources.flatMap(({ path, state, lastReceiptAt, snapshot, message, hint }) => [
        `${state.padEnd(10)} ${lastReceiptAt ?? (state === 'backed-up' ? 'an older receipt' : 'no receipt yet')}  ${printable(path)}${snapshot === 'live' ? ' (read live, not from a snapshot)' : ''}`,
        ...(message === undefined ? [] : [`  ${printable(`${message} ${hint}`)}`]),
      ]),
      ...unread.map((one) => printable(unreadLine(one))),
    ];
    terminal.result(lines.join('\n'), {
      queue,
      sources,
      unread,
      server: { url: identity.server, reachable },
      clock: { differenceMs: server.clockAheadMs },
    });
    return EXIT.ok;
  });
}

function localState(path: string) {
  if (!existsSync(path)) return { queue: { packs: 0, bytes: 0 }, sources: [] };
  const db = openDeviceDb(path, { readonly: true });
  try {
    const queue = new Queue(db);
    const active = new Set(queue.active().map((backup) => backup.source_id));
    const sources = new SourceRegistry(db).all().map((source) => ({
      path: source.path,
      lastReceiptAt: source.lastReceiptAt,
      snapshot: source.lastSnapshot,
      state: stateOf(source, active.has(source.id)),
      ...failureOf(source),
    }));
    return { queue: queue.staged(), sources };
  } finally {
    db.close();
  }
}
