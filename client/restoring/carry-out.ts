// Carries a plan of a restore out: files to their places, each whole and verified, what is replaced kept aside.

import { createReadStream } from 'node:fs';
import { constants, copyFile, lstat, open, readlink, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { makeDirectory, syncDirectory, syncFile } from '../durable-file.ts';
import { canHold, openPath } from '../held-path.ts';
import { ContentSum } from './content-sum.ts';
import { cutName, NAME_BYTES } from './file-name.ts';
import { holdFolder } from './held-folder.ts';
import type { Placement, There } from './plan.ts';
import { publish } from './publish.ts';
import { fetchVersion, type Restore } from './restore.ts';

export interface Restored {
  readonly path: string;
  readonly to: string;
  readonly version: string;
  readonly bytes: number;
  readonly sha256: string;
  /** What the device stated where it is another SHA-256 than that of the bytes, which the server proved; absent: the same. */
  readonly statedSha256?: string;
  /** Where what was there before is now; null: nothing was. */
  readonly kept: string | null;
}

/** What is at a place, compared with a version: read only where the size is the same. */
export async function lookAtPlace(to: string, version: VersionSummary): Promise<There> {
  const there = await stat(to).catch((error) => error as NodeJS.ErrnoException);
  // Nothing but that it is not there says so: a folder above it may be a file, or not be ours to look into.
  if (there instanceof Error) return there.code === 'ENOENT' ? 'nothing' : 'other';
  if (!there.isFile() || there.size !== version.size) return 'other';
  const sum = new ContentSum();
  try {
    for await (const bytes of createReadStream(to, { highWaterMark: 1_048_576 })) sum.update(bytes as Buffer);
  } catch {
    // A program holds it open, or it is not ours to read: what is in use is not what is restored.
    return 'other';
  }
  return sum.finish().root === version.root ? 'same' : 'other';
}

/** A placement that writes. */
export type Writing = Placement & { readonly to: string };

/**
 * Carries out one placement that writes; what is there stays until the whole file is. `keepIn`: a folder of this restore alone; it is
 * made when it is needed.
 */
export async function carryOut(
  context: Restore,
  { version, to, action }: Writing,
  keepIn: string,
): Promise<Restored> {
  await using folder = await holdFolder(dirname(to));
  const fetched = await fetchVersion(context, version, { folder, name: basename(to) });
  const { bytes, sha256, statedSha256 } = fetched;
  const overwrite = action === 'replace';
  const kept = overwrite ? await keepAside(folder.at(basename(to)), keepIn) : null;
  await publish(fetched, overwrite);
  const stated = statedSha256 === null ? {} : { statedSha256 };
  return { path: version.path, to, version: version.id, bytes, sha256, ...stated, kept };
}

/** Copies a file, durably, to a new name in `folder`, which is made; the copy's path. `name`: what it is called there. */
export async function keepAside(file: string, folder: string, name = basename(file)): Promise<string> {
  await makeDirectory(folder);
  for (let number = 1; ; number++) {
    const copy = join(folder, cutName(`${String(number).padStart(3, '0')} ${name}`, NAME_BYTES));
    try {
      await copyItself(file, copy);
      await syncDirectory(folder);
      return copy;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** Copies what has the name: of a link the link, since what it leads to stays, and may be another user's. Durable in itself. */
async function copyItself(file: string, copy: string): Promise<void> {
  if ((await lstat(file)).isSymbolicLink()) return symlink(await readlink(file), copy);
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  // Windows copies what it holds open for others; elsewhere the open file is what is copied, whatever gets its name.
  if (!canHold()) await copyFile(file, copy, constants.COPYFILE_EXCL);
  else {
    await using source = await open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!(await source.stat()).isFile())
      throw new Failure(
        'target_refused',
        `${basename(file)} is in the way, and is no file that could be kept.`,
      );
    await copyFile(openPath(source), copy, constants.COPYFILE_EXCL);
  }
  // What it is a copy of is removed next.
  await syncFile(copy);
}
