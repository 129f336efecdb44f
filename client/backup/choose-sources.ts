// Which sources a run is over: what was named, or everything that is known and everything the finders find.
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import type { SourceKind } from '../../shared/protocol.ts';
import { findStores, kindOf } from '../sources/find-stores.ts';
import type { LeftOut } from '../sources/finder.ts';
import type { ThisMachine } from '../sources/this-machine.ts';
import { type Skipped, skippedText } from '../sources/walk.ts';
import type { Source, SourceRegistry } from '../state/source-registry.ts';
import { setPath } from './set-list.ts';

export interface ChooseOptions {
  readonly sources: SourceRegistry;
  readonly machine: ThisMachine;
  /** Whether copies of what a mail server holds are taken too. */
  readonly caches: boolean;
  /** A folder for registry exports that is cleared after a crash too. */
  readonly scratch: string;
  /** Once it is aborted there is nothing to choose any more. */
  readonly stop: AbortSignal;
  /** Called once, unless it is stopped, with what could not be looked into: mail in there is not protected. */
  readonly onUnread: (unread: readonly LeftOut[]) => Promise<void>;
}

/** Kinds of which it is no failure that one is gone: a signature was deleted, a message moved, a profile removed. */
const COME_AND_GO: ReadonlySet<SourceKind> = new Set([
  'nk2',
  'outlook-settings',
  'mapi-profiles',
  'mail-client',
]);

/**
 * The sources that `paths` name, registered; a folder stands for the mail stores in it. Without paths: all that are found, and
 * all stores that are known. None after a stop. Failure `source_missing` where a path that was named is not there, or where there is
 * nothing.
 */
export async function chooseSources(paths: readonly string[], options: ChooseOptions): Promise<Source[]> {
  const unread: LeftOut[] = [];
  const leaveOut = (left: LeftOut) => {
    if (left.why === 'unreadable') unread.push(left);
  };
  const chosen =
    paths.length > 0 ? await named(paths, options, leaveOut) : await foundAndKnown(options, leaveOut);
  if (options.stop.aborted) return [];
  await options.onUnread(unread);
  if (chosen.size === 0) {
    const where = paths.length > 0 ? paths.join(', ') : 'this machine';
    const but = unread.map(({ path, text }) => `; ${path}: ${text}`).join('');
    throw new Failure('source_missing', `There is no mail store in ${where}${but}.`);
  }
  return [...chosen.values()];
}

async function named(
  paths: readonly string[],
  { sources }: ChooseOptions,
  leaveOut: (left: LeftOut) => void,
): Promise<Map<number, Source>> {
  const chosen = new Map<number, Source>();
  const add = (source: Source) => chosen.set(source.id, source);
  const onSkipped = (skipped: Skipped) => leaveOut({ ...skipped, text: skippedText(skipped) });
  for (const path of paths.map((one) => resolve(one))) {
    const there = await stat(path).catch(() => null);
    if (there?.isDirectory())
      for await (const store of findStores([path], { onSkipped }))
        add(sources.register(store.path, store.kind));
    else if (there || sources.all().some((source) => source.path === path))
      add(sources.register(path, kindOf(path)));
    else throw new Failure('source_missing', `${path} is not there.`);
  }
  return chosen;
}

async function foundAndKnown(
  { sources, machine, caches, scratch, stop }: ChooseOptions,
  leaveOut: (left: LeftOut) => void,
): Promise<Map<number, Source>> {
  // Loaded only where no path is named: a scheduled run over one store needs no finder.
  const { findHere } = await import('../sources/this-machine.ts');
  const { items, leftOut } = await findHere(machine, { caches, scratch, stop });
  const chosen = new Map<number, Source>();
  if (stop.aborted) return chosen;
  for (const left of leftOut) leaveOut(left);
  const add = (source: Source) => chosen.set(source.id, source);
  for (const { path, kind, set } of items) {
    add(sources.register(path, kind, set));
    if (set !== null) add(sources.register(setPath(set), kind, set));
  }
  for (const source of sources.all()) if (!COME_AND_GO.has(source.kind)) chosen.set(source.id, source);
  return chosen;
}
