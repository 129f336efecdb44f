/*
 * The files of a set put in their places together, or not at all.
 *
 *   fetch     each is fetched and verified beside its place; what is there is not touched, and a cut restore goes on from here
 *   swap      what is in the way gets another name in its folder, each file gets its own: renames, and nothing else
 *   put back  where one of them fails: every name as it was, the fetched files as parts again
 *   keep      what was in the way is copied to the folder for it, and only then removed
 */
import { randomUUID } from 'node:crypto';
import { lstat, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { makeDirectory, syncDirectory } from '../durable-file.ts';
import { patiently } from '../patiently.ts';
import { pause } from '../pause.ts';
import type { Progress } from '../progress.ts';
import { keepAside, type Restored, type Writing } from './carry-out.ts';
import { cutName } from './file-name.ts';
import { publish } from './publish.ts';
import { type Fetched, fetchVersion, type Restore } from './restore.ts';

export interface SetWriting {
  readonly members: readonly Writing[];
  /** Files of an older database that would be taken for the set's. */
  readonly leftovers: readonly string[];
}

/** What was in the way, by the name it had; of this restore, or of one that was killed in mid-swap. */
const BEFORE = /^\.(.+)\.[0-9a-f]{8}\.mailferry-before$/;

/** Beside the file, since a rename to another volume is none. */
function beforeName(file: string): string {
  return join(dirname(file), `.${cutName(basename(file), 200)}.${randomUUID().slice(0, 8)}.mailferry-before`);
}

/**
 * Carries out the placements of one set. `keepIn`: a folder of this restore alone; it is made when it is needed. `assertReady` is
 * called once, after all was fetched and before anything is touched. Failures: its own and those of a fetch, with what is there as it
 * was; `set_not_placed`, whose message says where everything is if it could not be put back.
 */
export async function carryOutSet(
  context: Restore,
  { members, leftovers }: SetWriting,
  { keepIn, assertReady }: { keepIn: string; assertReady: () => Promise<void> },
): Promise<{ restored: Restored[]; kept: string[] }> {
  const fetched: Fetched[] = [];
  for (const { version, to } of members) {
    await makeDirectory(dirname(to));
    fetched.push(await fetchVersion(context, version, to));
  }
  await assertReady();
  const replaced = members.filter(({ action }) => action === 'replace').map(({ to }) => to);
  const moved = await swap([...leftovers, ...replaced], fetched, context.progress);
  const folders = new Set([...leftovers, ...members.map(({ to }) => to)].map((file) => dirname(file)));
  const kept = await keepAll(folders, keepIn, context.progress);
  const restored = members.map(({ version, to }, at) => ({
    path: version.path,
    to,
    version: version.id,
    bytes: fetched[at]!.bytes,
    sha256: fetched[at]!.sha256,
    ...(fetched[at]!.statedSha256 === null ? {} : { statedSha256: fetched[at]!.statedSha256 }),
    kept: kept.get(moved.get(to) ?? '') ?? null,
  }));
  return { restored, kept: [...kept.values()] };
}

/** A step of a swap that was taken. */
interface Taken {
  /** What is where as long as it is not undone. */
  readonly state: string;
  undo(): Promise<void>;
}

/** Where each file that was in the way is now, by the name it had. */
async function swap(
  inTheWay: readonly string[],
  fetched: readonly Fetched[],
  progress: Progress,
): Promise<Map<string, string>> {
  const taken: Taken[] = [];
  const moved = new Map<string, string>();
  try {
    for (const file of inTheWay) {
      const before = beforeName(file);
      if (!(await moveIfThere(file, before))) continue;
      moved.set(file, before);
      taken.unshift({ state: `what was ${file} is ${before}`, undo: () => moveBack(before, file) });
      await syncDirectory(dirname(file));
      progress.say(`${file}: makes room as ${basename(before)}.`);
    }
    for (const { part, target } of fetched) {
      const { ino } = await stat(part, { bigint: true });
      taken.unshift({
        state: `${target} is the restored one`,
        undo: () => takeBack({ part, target, ino }),
      });
      await publish(part, target, false);
    }
  } catch (cause) {
    throw await putBack(taken, cause as Error);
  }
  return moved;
}

/** False where it is gone: a program takes the log of its database away when it ends. */
async function moveIfThere(file: string, to: string): Promise<boolean> {
  try {
    await patiently(() => rename(file, to));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function moveBack(before: string, file: string): Promise<void> {
  if (await lstat(file).catch(() => null)) throw new Failure('target_exists', `${file} exists already.`);
  await patiently(() => rename(before, file));
  await syncDirectory(dirname(file));
}

/** Makes a part of it again, unless the file that has its name is somebody else's. */
async function takeBack({ part, target, ino }: { part: string; target: string; ino: bigint }): Promise<void> {
  const there = await lstat(target, { bigint: true }).catch(() => null);
  if (there?.ino !== ino) return;
  const isPartThere = await lstat(part).catch(() => null);
  await patiently(() => (isPartThere ? rm(target) : rename(target, part)));
  await syncDirectory(dirname(target));
}

/** Programs that look into each new file, such as virus scanners, hold it for a moment: how often, and ms between. */
const PUT_BACK_TRIES = 10;
const PUT_BACK_PAUSE_MS = 300;

async function putBack(taken: readonly Taken[], cause: Error): Promise<Failure> {
  const left: string[] = [];
  for (const { state, undo } of taken) {
    for (let tries = 1; ; tries++) {
      const error = await undo().then(
        () => null,
        (error: NodeJS.ErrnoException) => error,
      );
      if (error === null) break;
      if (tries === PUT_BACK_TRIES || !['EBUSY', 'EPERM', 'EACCES'].includes(error.code ?? '')) {
        left.push(state);
        break;
      }
      await pause(PUT_BACK_PAUSE_MS, new AbortController().signal);
    }
  }
  const now = left.length === 0 ? 'all is as it was' : `not all could be put back: ${left.join('; ')}`;
  return new Failure(
    'set_not_placed',
    `A set could not be put in place (${cause.message.replace(/\.$/, '')}); ${now}.`,
    { cause },
  );
}

/** Where each file that made room is kept, by the name it had while it did. One that can't be copied stays, and is told. */
async function keepAll(
  folders: Iterable<string>,
  keepIn: string,
  progress: Progress,
): Promise<Map<string, string>> {
  const kept = new Map<string, string>();
  for (const folder of folders) {
    for (const name of await readdir(folder)) {
      const original = BEFORE.exec(name)?.[1];
      if (original === undefined) continue;
      const before = join(folder, name);
      try {
        const copy = await keepAside(before, keepIn, original);
        kept.set(before, copy);
        progress.say(`${join(folder, original)}: what was there is in ${copy}.`);
        await patiently(() => rm(before, { force: true }));
      } catch (error) {
        if (!kept.has(before)) kept.set(before, before);
        progress.say(`${before} can't be moved to ${keepIn} and stays there: ${(error as Error).message}.`);
      }
    }
  }
  return kept;
}
