// mailferry sources: what is protected, what was found on this machine and why, what is left out and why.

import { existsSync } from 'node:fs';
import { printable } from '../../shared/printable.ts';
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { takesOf } from '../sources/find-sources.ts';
import { findHere } from '../sources/this-machine.ts';
import { openDeviceDb } from '../state/device-db.ts';
import { SourceRegistry } from '../state/source-registry.ts';

export interface SourcesOptions {
  readonly caches?: boolean;
}

export async function sources(
  { machine, terminal, paths }: Context,
  _words: string[],
  options: SourcesOptions,
): Promise<number> {
  const known = registered(paths.db);
  const { items, leftOut } = await findHere(machine, { caches: options.caches ?? false });
  const isKnown = new Set(known.map(({ path }) => path));
  const found = items.filter(({ path }) => !isKnown.has(path));
  const why = new Map(items.map((item) => [item.path, item.why]));
  const line = (state: string, kind: string, path: string, reason = '') =>
    `${state.padEnd(10)} ${kind.padEnd(16)} ${printable(path)}${reason === '' ? '' : ` (${reason})`}`;
  const lines = [
    ...known.map(({ kind, path }) => line('protected', kind, path, why.get(path))),
    ...found.map((item) => line('found', item.kind, item.path, item.why)),
    ...leftOut.map((left) => line('left out', left.why, left.path, left.text)),
  ];
  terminal.result(lines.length > 0 ? lines.join('\n') : 'No source is protected and no mail was found.', {
    sources: known.map(({ path, kind, lastReceiptAt }) => ({ path, kind, lastReceiptAt })),
    found,
    skipped: leftOut,
    takes: takesOf(machine.platform),
  });
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
