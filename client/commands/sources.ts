// mailferry sources: what is protected, and the mail stores found on this machine that are not.
import { existsSync } from 'node:fs';
import type { Context } from '../cli.ts';
import { openDeviceDb } from '../device-db.ts';
import { EXIT } from '../exit-code.ts';
import { SourceRegistry } from '../source-registry.ts';
import { defaultRoots, findStores } from '../sources/find-stores.ts';

export async function sources({ machine, terminal, paths }: Context): Promise<number> {
  const known = registered(paths.db);
  const found: { path: string; kind: string }[] = [];
  const skipped: string[] = [];
  const roots = defaultRoots({ ...machine, homedir: machine.home });
  for await (const store of findStores(roots, {
    onSkipped: ({ path, why }) => skipped.push(`${path} (${why})`),
  })) {
    if (!known.some((source) => source.path === store.path)) found.push(store);
  }
  const lines = [
    ...known.map((source) => `protected  ${source.kind.padEnd(4)} ${source.path}`),
    ...found.map((store) => `found      ${store.kind.padEnd(4)} ${store.path}`),
    ...skipped.map((place) => `not seen        ${place}`),
  ];
  terminal.result(
    lines.length > 0 ? lines.join('\n') : 'No source is protected and no mail store was found.',
    {
      sources: known.map(({ path, kind, lastReceiptAt }) => ({ path, kind, lastReceiptAt })),
      found,
      skipped,
    },
  );
  return EXIT.ok;
}

function registered(path: string) {
  if (!existsSync(path)) return [];
  const db = openDeviceDb(path, { readonly: true });
  try {
    return new SourceRegistry(db).all();
  } finally {
    db.close();
  }
}
