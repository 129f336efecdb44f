// mailferry sources: what is protected, what was found on this machine and why, what is left out and why.

import { existsSync } from 'node:fs';
import { printable } from '../../shared/printable.ts';
import { type Telling, type ToldSource, toldSources } from '../backup/told-sources.ts';
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { loadSettings } from '../settings/load-settings.ts';
import { excluder } from '../sources/exclude.ts';
import { takesOf } from '../sources/find-sources.ts';
import type { FoundItem } from '../sources/finder.ts';
import { spelled } from '../sources/one-name.ts';
import { findHere } from '../sources/this-machine.ts';
import { openDeviceDb } from '../state/device-db.ts';
import { Queue } from '../state/queue.ts';
import { SourceRegistry } from '../state/source-registry.ts';

export interface SourcesOptions {
  readonly caches?: boolean;
  /** All fixed volumes are searched too. */
  readonly search?: boolean;
}

export async function sources(
  { machine, terminal, paths }: Context,
  _words: string[],
  options: SourcesOptions,
): Promise<number> {
  const { settings } = await loadSettings(machine, { caches: options.caches, search: options.search });
  const { exclude, caches, networkStores, search } = settings;
  const known = await registered(paths.db, { settings, machine, now: machine.now() });
  const { items, leftOut } = await findHere(machine, {
    caches,
    networkStores: networkStores === 'live',
    searchAll: search,
  });
  const isKnown = new Set<string>();
  for (const { source } of known) isKnown.add((await spelled(source.path, machine)).identity);
  const isExcluded = excluder(exclude, machine);
  const fresh: FoundItem[] = [];
  for (const item of items) if (!isKnown.has((await spelled(item.path, machine)).identity)) fresh.push(item);
  const found = fresh.filter(({ path }) => !isExcluded(path));
  const excluded = fresh
    .filter(({ path }) => isExcluded(path))
    .map(({ path }) => ({ path, why: 'excluded', text: 'left out by the setting exclude' }));
  const skipped = [...leftOut, ...excluded];
  const why = new Map(items.map((item) => [item.path, item.why]));
  const line = (state: string, kind: string, path: string, reason = '') =>
    `${state.padEnd(10)} ${kind.padEnd(16)} ${printable(path)}${reason === '' ? '' : ` (${reason})`}`;
  const lines = [
    ...known.map(({ source: { kind, path }, protection: { state, isProtected, why: not } }) =>
      line(isProtected ? 'protected' : state, kind, path, not ?? why.get(path)),
    ),
    ...found.map((item) => line('found', item.kind, item.path, item.why)),
    ...skipped.map((left) => line('left out', left.why, left.path, left.text)),
  ];
  terminal.result(lines.length > 0 ? lines.join('\n') : 'No source is protected and no mail was found.', {
    sources: known.map(({ source: { path, kind, lastReceiptAt }, protection }) => ({
      path,
      kind,
      lastReceiptAt,
      state: protection.state,
      protected: protection.isProtected,
      ...(protection.why === null ? {} : { why: protection.why }),
    })),
    found,
    skipped,
    takes: takesOf(machine.platform),
  });
  return EXIT.ok;
}

async function registered(path: string, telling: Telling): Promise<readonly ToldSource[]> {
  if (!existsSync(path)) return [];
  const db = openDeviceDb(path, { readonly: true });
  try {
    return await toldSources({ sources: new SourceRegistry(db), queue: new Queue(db) }, telling);
  } finally {
    db.close();
  }
}
