// Each source of this device has one name on Windows, whatever leads to its file: another case, a link, another letter, a short name.
import { isSetPath, setName, setPath } from '../backup/set-list.ts';
import { realPathOf } from '../far/files-here.ts';
import { isRegistryPath } from '../registry/registry.ts';
import type { Source, SourceRegistry } from '../state/source-registry.ts';
import { plainPath, spellingKey } from './source-spelling.ts';

/** The machine as names are told apart on it. */
export interface Naming {
  readonly platform: string;
  /** The disk's own spelling of what is at a path; throws where it can't be told. */
  readonly realPath?: (path: string) => Promise<string>;
}

export interface Spelled {
  /** The disk's own spelling of what is there; as it was given, made plain, of what is not. */
  readonly own: string;
  /** The same for all names of one file, and of no other. */
  readonly identity: string;
}

export async function spelled(name: string, naming: Naming): Promise<Spelled> {
  const { platform, realPath = realPathOf } = naming;
  if (platform !== 'win32') return { own: name, identity: name };
  if (isSetPath(name)) {
    const { own, identity } = await spelled(setName(name), naming);
    return { own: setPath(own), identity: setPath(identity) };
  }
  const key = spellingKey(name, platform);
  if (isRegistryPath(name.toUpperCase())) return { own: name, identity: key };
  try {
    const own = plainPath(await realPath(plainPath(name)));
    // A folder can be told to tell case apart: there two spellings that the disk has are two files. A server's name is as it was asked.
    return { own, identity: own.startsWith('\\\\') ? spellingKey(own, platform) : own };
  } catch {
    return { own: plainPath(name), identity: key };
  }
}

/**
 * The one name that a path has among the sources: that of the source that is there, or the disk's own spelling. Of sources that are one
 * the newest receipt decides which stays; the others are forgotten at `now` (ms since 1970), and their versions stay on the server.
 */
export async function oneNames(
  sources: Pick<SourceRegistry, 'all' | 'forget'>,
  naming: Naming,
  now: number,
): Promise<(path: string) => Promise<string>> {
  if (naming.platform !== 'win32') return async (path) => path;
  const known = new Map<string, Spelled>();
  const spell = async (path: string) => {
    const one = known.get(path) ?? (await spelled(path, naming));
    known.set(path, one);
    return one;
  };
  const kept = new Map<string, Source>();
  const doubles: number[] = [];
  for (const source of sources.all().sort(bestFirst)) {
    const { identity } = await spell(source.path);
    if (!kept.has(identity)) kept.set(identity, source);
    else if (source.forgottenAt === null) doubles.push(source.id);
  }
  if (doubles.length > 0) sources.forget(doubles, new Date(now).toISOString());
  return async (path) => {
    const { own, identity } = await spell(path);
    return kept.get(identity)?.path ?? own;
  };
}

function bestFirst(one: Source, other: Source): number {
  const forgotten = Number(one.forgottenAt !== null) - Number(other.forgottenAt !== null);
  const [mine, others] = [one.lastReceiptAt ?? '', other.lastReceiptAt ?? ''];
  return forgotten || (mine < others ? 1 : mine > others ? -1 : one.id - other.id);
}
