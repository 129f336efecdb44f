// mailferry forget: a path, registry key or set that is no source any more. Its versions stay on the server.
import { Failure } from '../../shared/failure.ts';
import { printable } from '../../shared/printable.ts';
import { isSetPath } from '../backup/set-list.ts';
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { sourcesNamed } from '../restoring/source-name.ts';
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
      const meant = await sourcesNamed(word, all, machine);
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
