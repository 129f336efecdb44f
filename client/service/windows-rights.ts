/*
 * The rights of a state directory on Windows: LocalSystem's and the administrators' alone, with all below it.
 *
 *   takeown /A              the administrators own it: an owner can change rights whatever they say (learn.microsoft.com, takeown)
 *   icacls /inheritance:r   nothing is inherited; two grants, by SID since names are translated (learn.microsoft.com, icacls)
 *   icacls /reset           where there are more entries than these, somebody gave them: all go, and the two are given again. Not
 *                           without need: until they are given again what is inherited counts
 *
 * Below it all is owned and reset too, from the top down and never through a link: who could put one there loses that right first.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../../shared/failure.ts';

const OURS_ALONE = ['/grant:r', '*S-1-5-18:(OI)(CI)F', '/grant:r', '*S-1-5-32-544:(OI)(CI)F'];

/** What the device and its service make in a state directory. */
const OURS =
  /^(?:device\.db|lock\.db|identity\.json|settings\.json|unread\.json|agent\.log|mailferry-|Mailferry (?:Agent|Wake)\.xml$)|^(?:staging|fingerprints|exports|replaced|wake)$/i;

/** An entry in what icacls lists: a name, a colon, and rights in brackets at the end of a line. */
const ENTRY = /:(?:\([A-Z,]+\))+\s*$/gm;

/** Runs a program, which has to end with 0: a Failure otherwise. What it said. */
export type RunOrFail = (program: string, words: readonly string[]) => Promise<string>;

/** Makes the folder where it is missing, and its rights and those of all in it ours. Failures: `service_failed`, and those of `run`. */
export async function protectFolder(folder: string, run: RunOrFail): Promise<void> {
  await mkdir(folder, { recursive: true });
  await run('takeown.exe', ['/F', folder, '/A']);
  const grant = () => run('icacls.exe', [folder, '/inheritance:r', ...OURS_ALONE, '/Q']);
  await grant();
  if ((await run('icacls.exe', [folder])).match(ENTRY)?.length !== 2) {
    await run('icacls.exe', [folder, '/reset', '/Q']);
    await grant();
  }
  await protectBelow(folder, run);
}

async function protectBelow(folder: string, run: RunOrFail): Promise<void> {
  const { folders, count } = await look(folder);
  if (count === 0) return;
  const all = join(folder, '*');
  await run('takeown.exe', ['/F', all, '/A']);
  await run('icacls.exe', [all, '/reset', '/Q']);
  for (const below of folders) await protectBelow(below, run);
}

/** What is in a folder. A Failure where a link is: what it leads to is somebody else's. */
async function look(folder: string): Promise<{ folders: string[]; count: number }> {
  const entries = await readdir(folder, { withFileTypes: true });
  const link = entries.find((entry) => entry.isSymbolicLink());
  if (link)
    throw new Failure(
      'service_failed',
      `${join(folder, link.name)} leads to another place, whose rights are not to be changed: remove it.`,
    );
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
  return { folders, count: entries.length };
}

/**
 * A Failure `service_failed` where protectFolder() would take things of others: a whole volume, a link in it, or a folder with other
 * files, unless it is named after us. What can't be read is not looked into. Changes nothing.
 */
export async function assertOwnFolder(folder: string): Promise<void> {
  const refused = (what: string) =>
    new Failure(
      'service_failed',
      `${folder} can't be made LocalSystem's and the administrators' alone: ${what}; name a folder of its own with --state.`,
    );
  if (dirname(folder) === folder) throw refused('it is a whole volume');
  const names = await readdir(folder).catch(() => []);
  const isNamedSo = basename(folder).toLowerCase() === 'mailferry';
  const other = isNamedSo ? undefined : names.find((name) => !OURS.test(name));
  if (other !== undefined) throw refused(`${other} in it is not Mailferry's`);
  await assertNoLinks(folder);
}

async function assertNoLinks(folder: string): Promise<void> {
  const { folders } = await look(folder).catch((error) => {
    if (error instanceof Failure) throw error;
    return { folders: [] };
  });
  for (const below of folders) await assertNoLinks(below);
}
