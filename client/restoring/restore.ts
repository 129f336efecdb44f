// Restore: a version back into a file, resumed where it was cut, verified, and only then under its name.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { type FileHandle, link, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { collectSoon } from '../../shared/collect-soon.ts';
import { asFailure, Failure, type FailureCode } from '../../shared/failure.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { ROUTES } from '../../shared/routes.ts';
import { isDiskFull } from '../device-failure.ts';
import { syncDirectory } from '../durable-file.ts';
import type { ServerClient } from '../http/server-client.ts';
import { pause } from '../pause.ts';
import type { Progress } from '../progress.ts';
import { backoffMs } from '../upload/backoff.ts';
import { cutName } from './file-name.ts';

export interface Restore {
  readonly server: ServerClient;
  readonly progress: Progress;
  readonly stop: AbortSignal;
  readonly chance: () => number;
}

/** What goes on in a cut restore: named by version, so that no other restore goes on with it. */
function partPath(target: string, version: string): string {
  return join(dirname(target), `.${cutName(basename(target), 100)}.${version}.mailferry-part`);
}

/** A version that came whole and was verified, in a file that has not its name yet. */
export interface Fetched {
  readonly part: string;
  readonly target: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Restores `version` to the file `to`. Goes on with what an earlier, cut restore of the same version left beside it, and retries
 * for as long as the line is down. Failures: `target_exists` (unless `overwrite`), `target_full`, `target_unwritable`,
 * `restore_differs`, and the server's.
 * Nothing is ever seen under the name `to` but the whole, verified file, with the version's time of last writing.
 */
export async function restoreVersion(
  context: Restore,
  version: VersionSummary,
  { to, overwrite }: { to: string; overwrite: boolean },
): Promise<{ bytes: number; sha256: string }> {
  if (existsSync(to) && !overwrite) throw new Failure('target_exists', `${resolve(to)} exists already.`);
  const { part, target, bytes, sha256 } = await fetchVersion(context, version, to);
  await publish(part, target, overwrite);
  return { bytes, sha256 };
}

/** The first half of restoreVersion(): the whole, verified file lies beside `to`, and what is there is not touched. */
export async function fetchVersion(context: Restore, version: VersionSummary, to: string): Promise<Fetched> {
  const target = resolve(to);
  const part = partPath(target, version.id);
  const sha256 = await fetchVerified(context, version, part);
  // In seconds a double is a little below half of all milliseconds and would be cut to the one before: half a microsecond more.
  const mtime = Date.parse(version.mtime) / 1_000 + 5e-7;
  await utimes(part, mtime, mtime);
  return { part, target, bytes: version.size, sha256 };
}

/** Fetches the rest; what an earlier process left may be damaged, so one mismatch means one more try from nothing. */
async function fetchVerified(context: Restore, version: VersionSummary, part: string): Promise<string> {
  // A second name of a file that is in its place already: a restore was killed just then, and the file is in use since.
  if (existsSync(part) && (await stat(part)).nlink > 1) await rm(part);
  const continued = existsSync(part);
  const sha256 = await fetchAll(context, version, part);
  if (sha256 === version.sha256) return sha256;
  await rm(part, { force: true });
  if (continued) return fetchVerified(context, version, part);
  throw new Failure(
    'restore_differs',
    `The bytes of ${version.path} that came back are not those of version ${version.id}.`,
  );
}

async function fetchAll(context: Restore, version: VersionSummary, part: string): Promise<string> {
  const hash = createHash('sha256');
  let done = await hashExisting(part, version.size, hash);
  const written = writeFailure(part);
  const file = await open(part, existsSync(part) ? 'r+' : 'w+', 0o600).catch(written);
  try {
    await file.truncate(done).catch(written);
    for (let attempts = 0; done < version.size; ) {
      const before = done;
      try {
        done = await fetchSome(context, version, { file, from: done, hash, written });
      } catch (error) {
        const failure = asFailure(error);
        done = Number(failure.detail.done ?? done);
        // What the server has lost does not come back by asking again.
        if (failure.retry === 'never' || failure.code === 'pack_damaged' || context.stop.aborted)
          throw failure;
        attempts = done > before ? 0 : attempts + 1;
        if (attempts === 1) context.progress.say(`${failure.message} ${failure.hint}`);
        await pause(attempts === 0 ? 0 : backoffMs(attempts - 1, context.chance()), context.stop);
      }
    }
    await file.sync().catch(written);
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** Adds up what is there already; returns how many bytes of it are of use. */
async function hashExisting(part: string, size: number, hash: Hash): Promise<number> {
  const there = existsSync(part) ? (await stat(part)).size : 0;
  const use = Math.min(there, size);
  if (use === 0) return 0;
  for await (const bytes of createReadStream(part, { end: use - 1, highWaterMark: 1_048_576 }))
    hash.update(bytes as Buffer);
  return use;
}

/** Bytes written at a time. */
const WRITE_BYTES = 1_048_576;

/** What is wrong where the file is to lie: nothing that the line mends. */
const TARGET_CODES: ReadonlySet<FailureCode> = new Set(['target_full', 'target_unwritable']);

type WriteFailure = (cause: NodeJS.ErrnoException) => never;

/** What a write to `part` failed for, as a Failure `target_full` or `target_unwritable` that names its folder. */
function writeFailure(part: string): WriteFailure {
  return (cause) => {
    const folder = dirname(part);
    if (isDiskFull(cause)) throw new Failure('target_full', `There is no room left in ${folder}.`, { cause });
    throw new Failure('target_unwritable', `${folder} can't be written to: ${cause.message}.`, { cause });
  };
}

/** One request's worth; throws with `detail.done` where it broke. */
async function fetchSome(
  { server, progress, stop }: Restore,
  version: VersionSummary,
  { file, from, hash, written }: { file: FileHandle; from: number; hash: Hash; written: WriteFailure },
): Promise<number> {
  const headers = from > 0 ? { range: `bytes=${from}-`, 'if-range': `"${version.root}"` } : {};
  const response = await server.request('GET', ROUTES.content(version.id), { headers, signal: stop });
  if (from > 0 && response.status !== 206) {
    response.body.destroy();
    throw new Failure(
      'restore_differs',
      `The server does not go on with version ${version.id} where it was cut.`,
    );
  }
  let done = from;
  const buffer = Buffer.allocUnsafeSlow(WRITE_BYTES);
  let buffered = 0;
  const flush = async () => {
    for (let at = 0; at < buffered; ) {
      const { bytesWritten } = await file.write(buffer, at, buffered - at, done).catch(written);
      hash.update(buffer.subarray(at, at + bytesWritten));
      at += bytesWritten;
      done += bytesWritten;
    }
    buffered = 0;
    progress.report({ phase: 'restore', path: version.path, done, total: version.size });
  };
  try {
    for await (const bytes of response.body as AsyncIterable<Buffer>) {
      if (done + buffered + bytes.length > version.size)
        throw new Failure('restore_differs', `The server sent more than version ${version.id} holds.`);
      for (let at = 0; at < bytes.length; ) {
        const copied = bytes.copy(buffer, buffered, at);
        at += copied;
        buffered += copied;
        if (buffered === WRITE_BYTES) await flush();
      }
      // What came over the line is in the buffer, and its own memory free.
      collectSoon(bytes.length);
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

/**
 * Gives a file the name `target` in its folder; durable when it returns. Without `overwrite` a file that has the name is a failure
 * `target_exists`.
 */
export async function publish(part: string, target: string, overwrite: boolean): Promise<void> {
  if (overwrite) {
    await rename(part, target);
  } else {
    try {
      // A link fails where the name was taken meanwhile; a rename would put the file there silently.
      await link(part, target);
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      if (code === 'EEXIST') throw new Failure('target_exists', `${target} exists already.`, { cause });
      await publishByRename(part, target);
    }
    await rm(part, { force: true });
  }
  await syncDirectory(dirname(target));
}

/** On file systems without links (FAT): the name is reserved by an exclusive open, then taken over. */
async function publishByRename(part: string, target: string): Promise<void> {
  const reserved = await open(target, 'wx').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST') throw cause;
    throw new Failure('target_exists', `${target} exists already.`, { cause });
  });
  await reserved.close();
  try {
    await rename(part, target);
  } catch (error) {
    await rm(target, { force: true });
    throw error;
  }
}

/** The version to restore: the one of that id, the newest at a time, or the newest. Pure. */
export function chooseVersion(
  versions: readonly VersionSummary[],
  { path, id, at }: { path: string; id?: string | undefined; at?: number | undefined },
): VersionSummary {
  const complete = versions.filter((version) => version.complete);
  if (id !== undefined) {
    const matching = complete.filter(
      (version) => version.id === id || (id.length >= 8 && version.id.startsWith(id)),
    );
    if (matching.length === 1) return matching[0]!;
    throw new Failure(
      'not_found',
      `${path} has ${matching.length === 0 ? 'no version' : 'several versions'} ${id}.`,
    );
  }
  const by = (version: VersionSummary) => Date.parse(version.takenAt);
  const candidates = at === undefined ? complete : complete.filter((version) => by(version) <= at);
  const newest = candidates.reduce<VersionSummary | undefined>(
    (best, each) => (best && by(best) >= by(each) ? best : each),
    undefined,
  );
  if (newest) return newest;
  throw new Failure(
    'not_found',
    at === undefined
      ? `The server holds no version of ${path}.`
      : `The server holds no version of ${path} from before that time.`,
  );
}
