// Where a copy may be written: a new or empty folder, or one that holds nothing but an earlier copy of the same server.
import { existsSync } from 'node:fs';
import { lstat, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import Database from 'better-sqlite3';
import { Failure } from '../../shared/failure.ts';
import { CATALOGUE } from '../catalogue/catalogue.ts';
import { codeOf } from '../disk-failure.ts';
import type { SourceCatalogue } from './source-catalogue.ts';
import { isUnfinished, unfinishedOf } from './unfinished.ts';

/** What a file system or a lock leaves in a folder that counts as empty. */
const NOTHING = new Set(['lost+found', 'lock.db']);

/** A Failure `target_refused` where source and target lie in each other, or the target is a symbolic link or no folder. */
export async function refusePlace(source: string, target: string): Promise<void> {
  const found = await lstat(target).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (codeOf(error) === 'ENOTDIR') throw refused(`${target} lies below a file.`);
    throw error;
  });
  if (found?.isSymbolicLink()) throw refused(`${target} is a symbolic link: name the folder itself.`);
  if (found && !found.isDirectory()) throw refused(`${target} is no folder.`);
  const to = await realPlace(target);
  for (const place of [source, join(source, 'vaults')]) {
    if (!existsSync(place)) continue;
    const from = await realpath(place);
    if (contains(from, to)) throw refused(`${target} lies in the data directory ${source}.`);
    if (contains(to, from)) throw refused(`The data directory ${source} lies in ${target}.`);
  }
}

/** The real path of what is there, and of what is not there yet below it. */
async function realPlace(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    return join(await realPlace(dirname(path)), basename(path));
  }
}

function contains(outer: string, inner: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep);
}

/**
 * Whether the target holds a finished earlier copy of this server; false: it is empty or an unfinished one. A Failure
 * `target_refused` where it is anything else, or knows of receipts that the source does not: those would be lost. Nothing is written.
 */
export async function isEarlierCopy(
  target: string,
  source: SourceCatalogue,
  publicKey: string,
): Promise<boolean> {
  if (existsSync(join(target, CATALOGUE))) {
    refuseOther(target, source, publicKey);
    return true;
  }
  if (isUnfinished(target)) {
    if ((await unfinishedOf(target)) === publicKey) return false;
    throw refused(`${target} is an unfinished copy of another server.`);
  }
  const names = existsSync(target) ? await readdir(target) : [];
  if (names.every((name) => NOTHING.has(name))) return false;
  throw refused(`${target} is neither empty nor a copy of this server.`);
}

function refuseOther(target: string, source: SourceCatalogue, publicKey: string): void {
  const file = join(target, CATALOGUE);
  let db: Database.Database | undefined;
  try {
    db = new Database(file, { readonly: true, fileMustExist: true });
    const hasKeys = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'receipt_key'").get() !== undefined;
    const key = hasKeys ? db.prepare('SELECT public_key FROM receipt_key').pluck().get() : undefined;
    if (key !== undefined && key !== publicKey) throw refused(`${target} is the data of another server.`);
    for (const device of db.prepare('SELECT id FROM devices').pluck().all() as string[]) {
      if (!source.hasDevice(device))
        throw refused(`${target} has a device that this server does not know: ${device}.`);
    }
    const newest = db.prepare(
      'SELECT device, max(sequence) AS sequence, statement FROM receipts GROUP BY device',
    );
    for (const row of newest.all() as { device: string; sequence: number; statement: string }[]) {
      if (source.statement(row.device, row.sequence) !== row.statement)
        throw refused(
          `${target} has receipt ${row.sequence} of device ${row.device}, which this server does not know: a server ran there.`,
        );
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw refused(`What lies in ${target} can't be read (${(error as Error).message}).`);
  } finally {
    db?.close();
  }
}

/** A Failure `target_refused` where a folder of the copy is a symbolic link, which would lead elsewhere. */
export async function refuseLinks(target: string): Promise<void> {
  const refuseLink = async (path: string): Promise<boolean> => {
    try {
      const found = await lstat(path);
      if (found.isSymbolicLink()) throw refused(`${path} is a symbolic link.`);
      return found.isDirectory();
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
  };
  const vaults = join(target, 'vaults');
  if (!(await refuseLink(vaults))) return;
  for (const device of await readdir(vaults)) {
    for (const folder of ['', 'packs', 'versions', 'uploads']) await refuseLink(join(vaults, device, folder));
    const packs = join(vaults, device, 'packs');
    if (!existsSync(packs)) continue;
    for (const part of await readdir(packs, { withFileTypes: true })) {
      if (part.isSymbolicLink()) throw refused(`${join(packs, part.name)} is a symbolic link.`);
    }
  }
}

function refused(message: string): Failure {
  return new Failure('target_refused', message);
}
