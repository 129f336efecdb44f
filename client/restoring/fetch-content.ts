// The one loop by which the bytes of a version come back: it goes on where the line broke, for a restore and for a verification.
import { collectSoon } from '../../shared/collect-soon.ts';
import { asFailure, Failure, type FailureCode } from '../../shared/failure.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { ROUTES } from '../../shared/routes.ts';
import type { HttpResponse } from '../http/http-client.ts';
import type { ServerClient } from '../http/server-client.ts';
import { pause } from '../pause.ts';
import type { Progress } from '../progress.ts';
import { backoffMs } from '../upload/backoff.ts';

export interface Fetching {
  readonly server: Pick<ServerClient, 'request'>;
  readonly progress: Progress;
  readonly stop: AbortSignal;
  /** 0 to 1. */
  readonly chance: () => number;
}

export interface Fetch {
  readonly phase: 'restore' | 'verify';
  /** Bytes that are there already. */
  readonly from: number;
  /** Attempts that bring nothing before the failure of the line is the caller's. */
  readonly patience: number;
  /** Takes the bytes from position `at` on, in order, each once; they are the caller's until it resolves. */
  readonly take: (bytes: Buffer, at: number) => Promise<void>;
}

/** Bytes handed on at a time. */
const CHUNK_BYTES = 1_048_576;

/** What is wrong where the file is to lie: nothing that the line mends. */
const TARGET_CODES: ReadonlySet<FailureCode> = new Set(['target_full', 'target_unwritable']);

/**
 * Hands the bytes of `version` to `fetch.take`, all of them when it resolves, with how many answers brought some. Failures: those of `take`, those of the server that
 * asking again does not mend, and, after `patience`, that of the line.
 */
export async function fetchContent(
  context: Fetching,
  version: VersionSummary,
  fetch: Fetch,
): Promise<number> {
  let done = fetch.from;
  let answers = 0;
  for (let attempts = 0; done < version.size; ) {
    const before = done;
    try {
      done = await fetchSome(context, version, { ...fetch, from: done });
      // An answer without bytes is no progress, and asking again at once would never end.
      if (done === before) throw new Failure('unreachable', `Nothing of ${version.path} came back.`);
      answers++;
    } catch (error) {
      const failure = asFailure(error);
      done = Number(failure.detail.done ?? done);
      // What the server has lost does not come back by asking again.
      if (failure.retry === 'never' || failure.code === 'pack_damaged' || context.stop.aborted) throw failure;
      if (done > before) answers++;
      attempts = done > before ? 0 : attempts + 1;
      if (attempts > fetch.patience) throw failure;
      if (attempts === 1) context.progress.say(`${failure.message} ${failure.hint}`);
      await pause(attempts === 0 ? 0 : backoffMs(attempts - 1, context.chance()), context.stop);
    }
  }
  return answers;
}

/**
 * Whether an answer is the content of `version`, from byte `from` on where its status is 206, from the first on where it is 200.
 * Failures: `restore_differs` where the server names another content, `answer_refused` where what answers is not the server: a page to
 * log in is no progress, however often it comes.
 */
function assertContent({ status, headers }: HttpResponse, version: VersionSummary, from: number): void {
  const { size, id, root, path } = version;
  // A proxy that compresses makes a tag weak, and one that keeps copies may leave it out.
  const tag = headers.etag?.replace(/^W\//, '');
  if (/^"[0-9a-f]{64}"$/.test(tag ?? '') && tag !== `"${root}"`)
    throw new Failure(
      'restore_differs',
      `The server has another content for version ${id} than its receipt names.`,
    );
  const isBytes = /^application\/octet-stream\b/i.test(headers['content-type'] ?? 'application/octet-stream');
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers['content-range'] ?? '');
  const fits =
    status === 206
      ? Number(range?.[1] ?? -1) === from && [String(size), '*'].includes(range?.[3] ?? '')
      : status === 200 && Number(headers['content-length'] ?? size) === size;
  if (isBytes && fits) return;
  throw new Failure('answer_refused', `What answered ${status} for ${path} did not send its bytes.`);
}

/** One request's worth; where it ended. Throws with `detail.done` where it broke. */
async function fetchSome(
  { server, progress, stop }: Fetching,
  version: VersionSummary,
  { phase, from, take }: Fetch,
): Promise<number> {
  const headers = from > 0 ? { range: `bytes=${from}-`, 'if-range': `"${version.root}"` } : {};
  const response = await server.request('GET', ROUTES.content(version.id), { headers, signal: stop });
  try {
    assertContent(response, version, from);
  } catch (error) {
    response.body.destroy();
    throw error;
  }
  let done = from;
  // What is on the way knows no ranges, and brings all of it again.
  let known = response.status === 200 ? from : 0;
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let buffered = 0;
  const flush = async () => {
    if (buffered > 0) await take(buffer.subarray(0, buffered), done);
    done += buffered;
    buffered = 0;
    progress.report({ phase, path: version.path, done, total: version.size });
  };
  try {
    for await (const all of response.body as AsyncIterable<Buffer>) {
      const bytes = all.subarray(Math.min(known, all.length));
      known -= all.length - bytes.length;
      if (done + buffered + bytes.length > version.size)
        throw new Failure('restore_differs', `The server sent more than version ${version.id} holds.`);
      for (let at = 0; at < bytes.length; ) {
        const copied = bytes.copy(buffer, buffered, at);
        at += copied;
        buffered += copied;
        if (buffered === CHUNK_BYTES) await flush();
      }
      // What came over the line is in the buffer, and its own memory free.
      collectSoon(all.length);
    }
  } catch (cause) {
    if (cause instanceof Failure && TARGET_CODES.has(cause.code)) throw cause;
    // What came before the line broke came whole: TCP and HTTP see to that, and the hash at the end to the rest.
    const code = cause instanceof Failure ? cause.code : 'unreachable';
    await flush();
    throw new Failure(code, `The connection broke while ${version.path} came back.`, {
      cause,
      detail: { done },
    });
  }
  await flush();
  return done;
}
