// The mark of a copy that `server backup` has not finished: no server starts on it, and no command takes it for whole.
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { syncDirectory, writeDurably } from '../durable-file.ts';

/*
 * {"format":"mailferry-copy-1","publicKey":"<SPKI PEM of the server's receipt key>"}
 *
 * Lies in a first copy from before its first object until its catalogue is in place. A later backup into the same folder does not
 * mark it: until the new catalogue replaces the old one, the folder is the earlier copy with some more objects, which is whole.
 */
const UNFINISHED = 'unfinished-copy.json';
const FORMAT = 'mailferry-copy-1';

/** A Failure `state_unusable` where `directory` is a copy that is not finished. */
export function assertFinished(directory: string): void {
  if (!isUnfinished(directory)) return;
  throw new Failure(
    'state_unusable',
    `${directory} is an unfinished copy of a server: run \`mailferry server backup --data SOURCE --to ${directory}\` again, which goes on where it was.`,
  );
}

export function isUnfinished(directory: string): boolean {
  return existsSync(join(directory, UNFINISHED));
}

/** The public key of the server that an unfinished copy is of; undefined where the mark can't be read. */
export async function unfinishedOf(directory: string): Promise<string | undefined> {
  try {
    const mark = JSON.parse(await readFile(join(directory, UNFINISHED), 'utf8')) as Record<string, unknown>;
    return mark.format === FORMAT && typeof mark.publicKey === 'string' ? mark.publicKey : undefined;
  } catch {
    return undefined;
  }
}

export function markUnfinished(directory: string, publicKey: string): Promise<void> {
  return writeDurably(
    directory,
    UNFINISHED,
    Buffer.from(`${JSON.stringify({ format: FORMAT, publicKey })}\n`),
  );
}

export async function markFinished(directory: string): Promise<void> {
  await rm(join(directory, UNFINISHED), { force: true });
  await syncDirectory(directory);
}
