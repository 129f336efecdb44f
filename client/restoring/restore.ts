// Restore: a version back into a file, resumed where it was cut, verified, and only then under its name.
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rm, stat } from 'node:fs/promises';
import { platform } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import type { FileRights, VersionSummary } from '../../shared/protocol.ts';
import { receiptOf } from '../../shared/receipt.ts';
import { isDiskFull } from '../device-failure.ts';
import { receiptVerifier } from '../healing/receipts-held.ts';
import type { Identity } from '../state/state-directory.ts';
import { ContentSum, type Sums } from './content-sum.ts';
import { type Fetching, fetchContent } from './fetch-content.ts';
import { cutName } from './file-name.ts';
import { type HeldFolder, holdFolder } from './held-folder.ts';
import { publish } from './publish.ts';
import { writtenRuns } from './sparse.ts';

export interface Restore extends Fetching {
  /** Whose versions these are, and the key of the server that it was enrolled with: no receipt of another counts. */
  readonly identity: Pick<Identity, 'device' | 'receiptKey'>;
  /** False: files get no owner and no permissions but those of a new file that only who restores can read. */
  readonly rights?: boolean;
}

/** What goes on in a cut restore: named by version, so that no other restore goes on with it. */
function partName(name: string, version: string): string {
  return `.${cutName(name, 100)}.${version}.mailferry-part`;
}

/** A version that came whole and was verified, in a file that has not its name yet. */
export interface Fetched {
  /** The folder that it lies in: whoever holds it, until they are done with it. */
  readonly folder: HeldFolder;
  /** What the file is called now, and what it is to be called. */
  readonly part: string;
  readonly name: string;
  readonly bytes: number;
  /** Of what is in the file. */
  readonly sha256: string;
  /** What the device stated when it took the version, where that is not the SHA-256 of what the server proved; else null. */
  readonly statedSha256: string | null;
}

/** The outcome of the restore of one version to one file. */
export type RestoredFile = Pick<Fetched, 'bytes' | 'sha256' | 'statedSha256'>;

/**
 * Restores `version` to the file `to`. Goes on with what an earlier, cut restore of the same version left beside it, and retries
 * for as long as the line is down. Failures: `target_exists` (unless `overwrite`), `target_refused` where a folder is there,
 * `target_full`, `target_unwritable`, `program_running` where a program holds what is there, `receipt_invalid` where the receipt is not
 * one of the server that the device knows for this version, `restore_differs` where the bytes do not lead to the root that the receipt
 * names, and the server's. Nothing is ever seen under the name `to` but the whole, verified file, with the version's time of last writing.
 */
export async function restoreVersion(
  context: Restore,
  version: VersionSummary,
  { to, overwrite }: { to: string; overwrite: boolean },
): Promise<RestoredFile> {
  const there = await lstat(to).catch(() => null);
  if (await isFolder(to))
    throw new Failure('target_refused', `${resolve(to)} is a folder; name the file that is to be made.`);
  if (there && !overwrite) throw new Failure('target_exists', `${resolve(to)} exists already.`);
  await using folder = await holdFolder(dirname(resolve(to)), 'failure');
  const fetched = await fetchVersion(context, version, { folder, name: basename(resolve(to)) });
  await publish(fetched, overwrite);
  const { bytes, sha256, statedSha256 } = fetched;
  return { bytes, sha256, statedSha256 };
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (there) => there.isDirectory(),
    () => false,
  );
}

/** The first half of restoreVersion(): the whole, verified file lies beside `name`, and what is there is not touched. */
export async function fetchVersion(
  context: Restore,
  version: VersionSummary,
  { folder, name }: { folder: HeldFolder; name: string },
): Promise<Fetched> {
  // Before anything is written: its size bounds what is written, and its root decides.
  const stated = receiptOf(version, context.identity.device, receiptVerifier(context.identity.receiptKey));
  if (!stated.complete)
    throw new Failure('receipt_invalid', `The receipt for ${version.id} is of a part of ${version.path}.`);
  const part = partName(name, version.id);
  const sha256 = await fetchVerified(context, version, { folder, part });
  const statedSha256 = sha256 === stated.sha256 ? null : stated.sha256;
  if (statedSha256 !== null) context.progress.say(statedSentence(version.path, statedSha256));
  return { folder, part, name, bytes: version.size, sha256, statedSha256 };
}

/** Sets the time of last writing: `mtime` in ms since 1970, also before. */
async function setTime(file: FileHandle, mtime: number): Promise<void> {
  // Node takes a negative number for now, but not a Date. In seconds a double is a little below half of all milliseconds and would be
  // cut to the one before: half a microsecond more.
  const time = mtime < 0 ? new Date(mtime) : mtime / 1_000 + 5e-7;
  await file.utimes(time, time);
}

/**
 * Gives the file the owner (where root restores) and the permissions that it had. A file system without any, or an owner that it
 * can't have, is no failure of a restore: the file is readable by who restored it alone then.
 */
async function setRights(file: FileHandle, { mode, uid, gid }: FileRights): Promise<void> {
  if (platform() === 'win32') return;
  try {
    if (process.getuid?.() === 0) await file.chown(uid, gid);
    await file.chmod(mode);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EINVAL', 'ENOSYS'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw error;
  }
}

/** What is said where the root is right and the SHA-256 that the device stated is not. */
export function statedSentence(path: string, stated: string): string {
  return `${path} came back as the server proved it, block by block, but the device that took it stated another SHA-256 of the whole (${stated}): tell the operator.`;
}

/**
 * Fetches the rest. What an earlier process left may be damaged, and what several answers brought may not be of one server, so that one
 * mismatch means one more try from nothing.
 */
async function fetchVerified(
  context: Restore,
  version: VersionSummary,
  place: Part,
  isLast = false,
): Promise<string> {
  const { root, sha256, answers, continued } = await fetchAll(context, version, place);
  if (root === version.root) return sha256;
  await rm(place.folder.at(place.part), { force: true });
  if (!isLast && (continued || answers > 1)) return fetchVerified(context, version, place, true);
  throw new Failure(
    'restore_differs',
    `The bytes of ${version.path} that came back are not those of version ${version.id}.`,
  );
}

interface Part {
  readonly folder: HeldFolder;
  readonly part: string;
}

/** What came of all bytes; a part that is right has its time and its rights then. */
async function fetchAll(
  context: Restore,
  version: VersionSummary,
  place: Part,
): Promise<Sums & { answers: number; continued: boolean }> {
  const sum = new ContentSum();
  const written = writeFailure(place.folder);
  const rights = context.rights === false ? undefined : version.rights;
  const { file, continued } = await openPart(place, rights).catch(written);
  try {
    const done = await addExisting(file, version.size, sum);
    await file.truncate(done).catch(written);
    const answers = await fetchContent(context, version, {
      phase: 'restore',
      from: done,
      patience: Number.POSITIVE_INFINITY,
      take: async (bytes, at) => {
        await writeSparsely(file, bytes, at).catch(written);
        sum.update(bytes);
      },
    });
    const sums = sum.finish();
    if (sums.root === version.root) {
      await setTime(file, Date.parse(version.mtime));
      if (rights) await setRights(file, rights);
    }
    await file.sync().catch(written);
    return { ...sums, answers, continued };
  } finally {
    await file.close();
  }
}

/**
 * Opens the part of a cut restore, or makes it where there is none or what has its name is not a cut restore's: a link, a file that
 * has a second name (a restore was killed when it was in its place already, and it is in use since; or somebody planted it), or one
 * of another user, but the one who gets it in the end.
 */
async function openPart(
  { folder, part }: Part,
  rights: FileRights | undefined,
): Promise<{ file: FileHandle; continued: boolean }> {
  const path = folder.at(part);
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  const there = await lstat(path).catch(() => null);
  if (there?.isFile()) {
    const file = await open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK).catch(() => null);
    const look = await file?.stat();
    const owners = [process.geteuid?.() ?? 0, rights?.uid];
    if (file && look?.isFile() && look.nlink === 1 && owners.includes(look.uid))
      return { file, continued: look.size > 0 };
    await file?.close();
  }
  if (there) await rm(path);
  return { file: await open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600), continued: false };
}

/** Writes `bytes` at position `at`, long runs of zeros as holes; the file is as long as it would be with them. */
async function writeSparsely(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  let end = 0;
  for (const run of writtenRuns(bytes, at)) {
    for (let from = run.from; from < run.to; ) {
      const { bytesWritten } = await file.write(bytes, from, run.to - from, at + from);
      from += bytesWritten;
    }
    end = run.to;
  }
  if (end < bytes.length) await file.truncate(at + bytes.length);
}

/** Adds up what is there already; returns how many bytes of it are of use. */
async function addExisting(file: FileHandle, size: number, sum: ContentSum): Promise<number> {
  const use = Math.min((await file.stat()).size, size);
  if (use === 0) return 0;
  const stream = file.createReadStream({
    start: 0,
    end: use - 1,
    highWaterMark: 1_048_576,
    autoClose: false,
  });
  for await (const bytes of stream) sum.update(bytes as Buffer);
  return use;
}

type WriteFailure = (cause: NodeJS.ErrnoException) => never;

/** What a write to a part failed for, as a Failure `target_full` or `target_unwritable` that names its folder. */
function writeFailure(folder: HeldFolder): WriteFailure {
  return (cause) => {
    if (isDiskFull(cause))
      throw new Failure('target_full', `There is no room left in ${folder.path}.`, { cause });
    const why = folder.said(cause.message);
    throw new Failure('target_unwritable', `${folder.path} can't be written to: ${why}.`, { cause });
  };
}
