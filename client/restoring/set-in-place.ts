/*
 * The files of a set put in their places together, or not at all.
 *
 *   fetch     each is fetched and verified beside its place; what is there is not touched, and a cut restore goes on from here
 *   swap      what is in the way gets another name in its folder, each file gets its own: renames, and nothing else
 *   put back  where one of them fails: every name as it was, the fetched files as parts again
 *   keep      what was in the way is copied to the folder for it, and only then removed
 */
import { randomUUID } from 'node:crypto';
import { lstat, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { patiently } from '../patiently.ts';
import { pause } from '../pause.ts';
import type { Progress } from '../progress.ts';
import { keepAside, type Restored, type Writing } from './carry-out.ts';
import { cutName } from './file-name.ts';
import { type HeldFolder, holdFolder } from './held-folder.ts';
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
function beforeName(name: string): string {
  return `.${cutName(name, 200)}.${randomUUID().slice(0, 8)}.mailferry-before`;
}

/** A name in a folder that is held. */
interface Place {
  readonly folder: HeldFolder;
  readonly name: string;
}

const at = ({ folder, name }: Place) => folder.at(name);
const shown = ({ folder, name }: Place) => folder.shown(name);

/** The folders of a set, each held once, until the set is done. */
class HeldFolders implements AsyncDisposable {
  readonly #held = new Map<string, HeldFolder>();

  async place(path: string): Promise<Place> {
    const folder = dirname(path);
    const held = this.#held.get(folder) ?? (await holdFolder(folder));
    this.#held.set(folder, held);
    return { folder: held, name: basename(path) };
  }

  all(): Iterable<HeldFolder> {
    return this.#held.values();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const folder of this.all()) await folder[Symbol.asyncDispose]();
  }
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
  await using folders = new HeldFolders();
  const fetched: Fetched[] = [];
  for (const { version, to } of members)
    fetched.push(await fetchVersion(context, version, await folders.place(to)));
  const inTheWay: Place[] = [];
  for (const path of leftovers) inTheWay.push(await folders.place(path));
  for (const { action, to } of members) if (action === 'replace') inTheWay.push(await folders.place(to));
  await assertReady();
  const moved = await swap(inTheWay, fetched, context.progress);
  const kept = await keepAll(folders.all(), keepIn, context.progress);
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
  inTheWay: readonly Place[],
  fetched: readonly Fetched[],
  progress: Progress,
): Promise<Map<string, string>> {
  const taken: Taken[] = [];
  const moved = new Map<string, string>();
  try {
    for (const file of inTheWay) {
      const before = { folder: file.folder, name: beforeName(file.name) };
      if (!(await moveIfThere(file, before))) continue;
      moved.set(shown(file), shown(before));
      taken.unshift({
        state: `what was ${shown(file)} is ${shown(before)}`,
        undo: () => moveBack(before, file),
      });
      await file.folder.sync();
      progress.say(`${shown(file)}: makes room as ${before.name}.`);
    }
    for (const one of fetched) {
      const { ino } = await lstat(one.folder.at(one.part), { bigint: true });
      taken.unshift({ state: `${shown(one)} is the restored one`, undo: () => takeBack(one, ino) });
      await publish(one, false);
    }
  } catch (cause) {
    throw await putBack(taken, cause as Error);
  }
  return moved;
}

/** False where it is gone: a program takes the log of its database away when it ends. */
async function moveIfThere(file: Place, to: Place): Promise<boolean> {
  try {
    await patiently(() => rename(at(file), at(to)));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw new Error(file.folder.said((error as Error).message), { cause: error });
  }
}

async function moveBack(before: Place, file: Place): Promise<void> {
  if (await lstat(at(file)).catch(() => null))
    throw new Failure('target_exists', `${shown(file)} exists already.`);
  await patiently(() => rename(at(before), at(file)));
  await file.folder.sync();
}

/** Makes a part of it again, unless the file that has its name is somebody else's. */
async function takeBack({ folder, part, name }: Fetched, ino: bigint): Promise<void> {
  const there = await lstat(folder.at(name), { bigint: true }).catch(() => null);
  if (there?.ino !== ino) return;
  const isPartThere = await lstat(folder.at(part)).catch(() => null);
  await patiently(() => (isPartThere ? rm(folder.at(name)) : rename(folder.at(name), folder.at(part))));
  await folder.sync();
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
  folders: Iterable<HeldFolder>,
  keepIn: string,
  progress: Progress,
): Promise<Map<string, string>> {
  const kept = new Map<string, string>();
  for (const folder of folders) {
    for (const name of await readdir(folder.here)) {
      const original = BEFORE.exec(name)?.[1];
      if (original === undefined) continue;
      const before = folder.shown(name);
      try {
        const copy = await keepAside(folder.at(name), keepIn, original);
        kept.set(before, copy);
        progress.say(`${folder.shown(original)}: what was there is in ${copy}.`);
        await patiently(() => rm(folder.at(name), { force: true }));
      } catch (error) {
        if (!kept.has(before)) kept.set(before, before);
        const why = folder.said((error as Error).message);
        progress.say(`${before} can't be moved to ${keepIn} and stays there: ${why}.`);
      }
    }
  }
  return kept;
}
