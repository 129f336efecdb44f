// Which version is meant: by its id, by a time, or the newest; asked of the server, whose order counts, and no clock of a laptop.
import { Failure } from '../../shared/failure.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import type { ServerClient } from '../http/server-client.ts';

/** Least characters of an id that name a version. */
const ID_LENGTH = 8;

export interface Wanted {
  /** The id, or how it begins. */
  readonly id?: string | undefined;
  /** The newest whose receipt was given at this time or before: ms since 1970. */
  readonly at?: number | undefined;
}

/**
 * The complete version of the first of `names` that has the one wanted; of several names for the same file that with the highest
 * sequence. Failure `not_found` where none has, where an id is too short or
 * several begin so; those of the server.
 */
export async function findVersion(
  server: Pick<ServerClient, 'versions'>,
  names: Iterable<readonly string[]> | AsyncIterable<readonly string[]>,
  wanted: Wanted,
): Promise<VersionSummary> {
  let path: string | undefined;
  for await (const same of names) {
    path = same[0];
    let found: VersionSummary | undefined;
    for (const name of same) {
      const one = await findIn(server, name, wanted);
      if (one && (found === undefined || one.sequence > found.sequence)) found = one;
    }
    if (found) return found;
  }
  if (wanted.id !== undefined) throw new Failure('not_found', `${path} has no version ${wanted.id}.`);
  if (wanted.at === undefined) throw new Failure('not_found', `The server holds no version of ${path}.`);
  throw new Failure('not_found', `The server held no version of ${path} at that time yet.`);
}

/** Every version of the first of `names` that the server holds any of, newest first. Failure `not_found` where it holds none; those of the server. */
export async function everyVersion(
  server: Pick<ServerClient, 'versions'>,
  names: AsyncIterable<readonly string[]>,
): Promise<VersionSummary[]> {
  let asked: string | undefined;
  for await (const same of names) {
    asked = same[0];
    const found: VersionSummary[] = [];
    for (const path of same) found.push(...(await Array.fromAsync(server.versions({ path }))));
    if (found.length > 0) return found.sort((one, other) => other.sequence - one.sequence);
  }
  throw new Failure('not_found', `The server holds no version of ${asked}.`);
}

async function findIn(
  server: Pick<ServerClient, 'versions'>,
  path: string,
  { id, at }: Wanted,
): Promise<VersionSummary | undefined> {
  if (id === undefined) {
    const query = { path, at: at === undefined ? undefined : new Date(at).toISOString(), limit: 1 };
    for await (const version of server.versions(query)) return version;
    return undefined;
  }
  const begins = id.toLowerCase();
  if (begins.length < ID_LENGTH)
    throw new Failure(
      'not_found',
      `${path} has no version ${id}; say ${ID_LENGTH} characters of its id or more.`,
    );
  // What can't be the beginning of an id has no version.
  if (!/^[0-9a-f-]{8,36}$/.test(begins)) return undefined;
  const found: VersionSummary[] = [];
  for await (const version of server.versions({ path, id: begins, limit: 2 })) {
    found.push(version);
    if (found.length > 1) throw new Failure('not_found', `${path} has several versions ${id}.`);
  }
  return found[0];
}
