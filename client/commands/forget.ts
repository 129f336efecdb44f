// mailferry forget: a path, registry key or set that is no source any more. Its versions stay on the server.
import { resolve } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { printable } from '../../shared/printable.ts';
import { isSetPath, setPath } from '../backup/set-list.ts';
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { openDeviceDb } from '../state/device-db.ts';
import { type Source, SourceRegistry } from '../state/source-registry.ts';
import { loadIdentity } from '../state/state-directory.ts';

/**
 * Runs beside the agent, which finds it at its next check. Where one word names no source nothing is forgotten: a Failure `source_missing`.
 */
export async function forget({ machine, terminal, paths }: Context, words: string[]): Promise<number> {
  // Says that this machine is no device before a database is made.
  await loadIdentity(paths);
  const db = openDeviceDb(paths.db);
  try {
    const sources = new SourceRegistry(db);
    const all = sources.all();
    const named = new Map<number, Source>();
    for (const word of words) {
      const meant = sourcesNamed(word, all, machine);
      if (meant.length === 0)
        throw new Failure(
          'source_missing',
          `No source of this device is called ${word}; \`mailferry sources\` lists them.`,
        );
      for (const source of meant) named.set(source.id, source);
    }
    sources.forget([...named.keys()], new Date(machine.now()).toISOString());
    const told = [...named.values()].filter(({ path }) => named.size === 1 || !isSetPath(path));
    const lines = told.map(({ path }) => `forgotten: ${path}`);
    lines.push(
      'Versions stay on the server, and can be restored as before. No search takes them up again; `mailferry backup PATH` does.',
    );
    terminal.result(lines.map(printable).join('\n'), {
      forgotten: told.map(({ path, kind }) => ({ path, kind })),
      versions: 'kept',
    });
    return EXIT.ok;
  } finally {
    db.close();
  }
}

/**
 * The sources that a word means: as it is stored, as a set, or as a path from the folder that one is in; on Windows in any case. Of a
 * folder, be it there or not, all that are below it. Pure.
 */
export function sourcesNamed(
  word: string,
  sources: readonly Source[],
  { platform, cwd }: { readonly platform: string; readonly cwd: string },
): readonly Source[] {
  const fold = (text: string) => (platform === 'win32' ? text.toLowerCase().replaceAll('/', '\\') : text);
  const names = [word, resolve(cwd, word)].map((name) => fold(name.replace(/^set:/, '')));
  for (const name of names) {
    const path = sources.filter((source) => fold(source.path) === name);
    const set = sources.filter(
      (source) =>
        fold(source.path) === fold(setPath(name)) || (source.set !== null && fold(source.set) === name),
    );
    if (path.length + set.length > 0) return [...new Set([...path, ...set])];
  }
  const separators = platform === 'win32' ? ['\\'] : ['/'];
  const below = (name: string) => separators.map((separator) => name.replace(/[\\/]+$/, '') + separator);
  return sources.filter((source) =>
    names.some((name) => below(name).some((folder) => fold(source.path).startsWith(folder))),
  );
}
