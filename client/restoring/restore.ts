// Restore: a version back into a file, resumed where it was cut, verified, and only then under its name.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { link, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { isDiskFull } from '../device-failure.ts';
import { syncDirectory } from '../durable-file.ts';
import { type Fetching, fetchContent } from './fetch-content.ts';
import { cutName } from './file-name.ts';

export type Restore = Fetching;

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
  const done = await hashExisting(part, version.size, hash);
  const written = writeFailure(part);
  const file = await open(part, existsSync(part) ? 'r+' : 'w+', 0o600).catch(written);
  try {
    await file.truncate(done).catch(written);
    await fetchContent(context, version, {
      phase: 'restore',
      from: done,
      patience: Number.POSITIVE_INFINITY,
      take: async (bytes, at) => {
        for (let from = 0; from < bytes.length; ) {
          const rest = bytes.length - from;
          const { bytesWritten } = await file.write(bytes, from, rest, at + from).catch(written);
          from += bytesWritten;
        }
        hash.update(bytes);
      },
    });
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

type WriteFailure = (cause: NodeJS.ErrnoException) => never;

/** What a write to `part` failed for, as a Failure `target_full` or `target_unwritable` that names its folder. */
function writeFailure(part: string): WriteFailure {
  return (cause) => {
    const folder = dirname(part);
    if (isDiskFull(cause)) throw new Failure('target_full', `There is no room left in ${folder}.`, { cause });
    throw new Failure('target_unwritable', `${folder} can't be written to: ${cause.message}.`, { cause });
  };
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
