// What a person calls a source by: the sources that are meant, and the names that the server may hold it under.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { isSetPath, setName, setPath } from '../backup/set-list.ts';
import { realPathOf } from '../far/files-here.ts';
import type { ServerClient } from '../http/server-client.ts';
import { isRegistryPath } from '../registry/registry.ts';
import { type Naming, spelled } from '../sources/one-name.ts';
import { isAtOrBelow, spellingKey } from '../sources/source-spelling.ts';
import { openDeviceDb } from '../state/device-db.ts';
import { type Source, SourceRegistry } from '../state/source-registry.ts';

/** Where names are looked up beside the word itself. */
export interface NamesHere extends Naming {
  /** The device's database; it need not be there. */
  readonly db: string;
  readonly server: Pick<ServerClient, 'versions'>;
}

/**
 * The names that `word` may mean, the likeliest first: as it was given, since the server holds paths of other systems too
 * (`C:\mail.pst` on Linux), and as a path from the folder that the person is in, with what that leads to. On Windows all spellings of one source that this
 * device knows are meant together, and then those that the server knows. Failures: those of the server.
 */
export async function* namesOf(word: string, here: NamesHere): AsyncGenerator<readonly string[]> {
  const exact = [...new Set([word, resolved(word, here.platform)])];
  if (here.platform !== 'win32') {
    if (exact.length > 1) yield [word];
    const path = exact.at(-1)!;
    // A source is known by its real path; before it was by the path that it was named by, which may lead there through a link.
    const real = await (here.realPath ?? realPathOf)(path).catch(() => path);
    yield [...new Set([path, real])];
    return;
  }
  const known = await sourcesAlike(exact, registered(here.db), here);
  const { own } = await spelled(exact.at(-1)!, here);
  const names = [...new Set([...exact.toReversed(), own, ...known.map((source) => source.path)])];
  yield names;
  const keys = new Set(names.map((name) => spellingKey(name, here.platform)));
  const held = new Set<string>();
  for await (const version of here.server.versions({ newest: 'each' }))
    if (keys.has(spellingKey(version.path, here.platform))) held.add(version.path);
  if (held.size > 0) yield [...held];
}

function resolved(word: string, platform: string): string {
  if (isRegistryPath(word) || isSetPath(word)) return word;
  return (platform === 'win32' ? path.win32 : path).resolve(word);
}

function registered(db: string): readonly Source[] {
  if (!existsSync(db)) return [];
  try {
    const opened = openDeviceDb(db, { readonly: true });
    try {
      return new SourceRegistry(opened).all();
    } finally {
      opened.close();
    }
  } catch {
    // The server is asked all the same.
    return [];
  }
}

async function sourcesAlike(
  names: readonly string[],
  sources: readonly Source[],
  naming: Naming,
): Promise<readonly Source[]> {
  const keys = new Set(names.map((name) => spellingKey(name, naming.platform)));
  const identities = new Set<string>();
  for (const name of names) identities.add((await spelled(name, naming)).identity);
  const alike: Source[] = [];
  for (const source of sources) {
    const isAlike = keys.has(spellingKey(source.path, naming.platform));
    if (isAlike || identities.has((await spelled(source.path, naming)).identity)) alike.push(source);
  }
  return alike;
}

/**
 * The sources that a word means: as it is stored, as a set, or as a path from the folder that one is in; on Windows in any spelling.
 * Of a folder, be it there or not, all that are below it.
 */
export async function sourcesNamed(
  word: string,
  sources: readonly Source[],
  here: Naming & { readonly cwd: string },
): Promise<readonly Source[]> {
  const { platform } = here;
  const plain = isSetPath(word) ? setName(word) : word;
  const flavour = platform === 'win32' ? path.win32 : path.posix;
  for (const name of new Set([plain, flavour.resolve(here.cwd, plain)])) {
    const itself = await sourcesAlike([name, setPath(name)], sources, here);
    const key = spellingKey(name, platform);
    const inSet = sources.filter(({ set }) => set !== null && spellingKey(set, platform) === key);
    if (itself.length + inSet.length > 0) return [...new Set([...itself, ...inSet])];
  }
  const folders = [plain, flavour.resolve(here.cwd, plain)];
  folders.push((await spelled(folders[1]!, here)).own);
  return sources.filter((source) =>
    folders.some((folder) => folder !== '' && isAtOrBelow(source.path, folder, platform)),
  );
}
