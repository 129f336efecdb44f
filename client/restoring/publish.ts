// The last step of a restore: the whole, verified file gets its name, durably, and takes the place of nothing unless told.
import { chmod, link, lstat, open, rename, rm } from 'node:fs/promises';
import { Failure } from '../../shared/failure.ts';
import { patiently, patientlyOrLeft } from '../patiently.ts';
import type { HeldFolder } from './held-folder.ts';

/** What is published: a part that has come whole, and the name that it gets. Both are in the folder. */
export interface Publishing {
  readonly folder: HeldFolder;
  readonly part: string;
  readonly name: string;
}

/**
 * Gives a file its name in its folder; durable when it returns. Without `overwrite` a file that has the name is a failure
 * `target_exists`; with it, what can't be replaced is `program_running` where a program holds it, else `target_unwritable`. The part
 * stays then, and the next restore of the same version fetches nothing again.
 */
export async function publish(publishing: Publishing, overwrite: boolean): Promise<void> {
  const { folder, part, name } = publishing;
  if (overwrite) {
    await replace(publishing);
  } else {
    try {
      // A link fails where the name was taken meanwhile; a rename would put the file there silently.
      await link(folder.at(part), folder.at(name));
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      if (code === 'EEXIST') throw exists(publishing, cause);
      await publishByRename(publishing);
    }
    // The file is in its place: its second name is removed by the next restore, if not now.
    await patientlyOrLeft(() => rm(folder.at(part), { force: true }));
  }
  await folder.sync();
}

const shown = ({ folder, name }: Publishing) => folder.shown(name);

const exists = (publishing: Publishing, cause: unknown) =>
  new Failure('target_exists', `${shown(publishing)} exists already.`, { cause });

async function replace(publishing: Publishing): Promise<void> {
  const part = publishing.folder.at(publishing.part);
  const target = publishing.folder.at(publishing.name);
  try {
    await patiently(() => rename(part, target));
  } catch (first) {
    // Windows replaces no file that is read-only.
    const cause = await lstat(target)
      .then((there) =>
        there.isFile() && (there.mode & 0o200) === 0 ? chmod(target, 0o666) : Promise.reject(first),
      )
      .then(() => patiently(() => rename(part, target)))
      .then(
        () => null,
        () => first as NodeJS.ErrnoException,
      );
    if (cause) throw notReplaced(publishing, cause);
  }
}

/** Codes by which Windows says that a program has a file open; elsewhere an open file can always be replaced. */
const HELD = ['EBUSY', 'EPERM', 'EACCES'];

function notReplaced(publishing: Publishing, cause: NodeJS.ErrnoException): Failure {
  const target = shown(publishing);
  const kept = `What came back is whole, lies beside it as ${publishing.part}, and is not fetched again.`;
  if (process.platform === 'win32' && HELD.includes(cause.code ?? ''))
    return new Failure(
      'program_running',
      `A program has ${target} open, so that it can't be replaced. ${kept}`,
      { cause },
    );
  return new Failure('target_unwritable', `${target} can't be replaced (${cause.code}). ${kept}`, { cause });
}

/** On file systems without links (FAT): the name is reserved by an exclusive open, then taken over. */
async function publishByRename(publishing: Publishing): Promise<void> {
  const part = publishing.folder.at(publishing.part);
  const target = publishing.folder.at(publishing.name);
  const reserved = await open(target, 'wx').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST') throw exists(publishing, cause);
    throw new Failure('target_unwritable', `${shown(publishing)} can't be made (${cause.code}).`, { cause });
  });
  await reserved.close();
  try {
    await patiently(() => rename(part, target));
  } catch (error) {
    await patientlyOrLeft(() => rm(target, { force: true }));
    throw error;
  }
}
