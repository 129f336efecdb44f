// Which sources a run is over: what was named, or everything that is known and everything the finders find.
import { join, relative, resolve } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import type { SourceKind } from '../../shared/protocol.ts';
import { findStores, kindOf } from '../sources/find-stores.ts';
import { isUntaken, type LeftOut } from '../sources/finder.ts';
import { lookAtNamed } from '../sources/named-path.ts';
import { oneNames } from '../sources/one-name.ts';
import { isAtOrBelow } from '../sources/source-spelling.ts';
import type { ThisMachine } from '../sources/this-machine.ts';
import { type Skipped, skippedText } from '../sources/walk.ts';
import type { Source, SourceRegistry } from '../state/source-registry.ts';
import { COME_AND_GO } from './protection.ts';
import { setName, setPath } from './set-list.ts';

export interface ChooseOptions {
  readonly sources: SourceRegistry;
  readonly machine: ThisMachine;
  /** Whether copies of what a mail server holds are taken too. */
  readonly caches: boolean;
  /** Whether stores on network drives are taken too, read live. */
  readonly networkStores: boolean;
  /** Whether all fixed volumes are searched too. */
  readonly searchAll: boolean;
  /** What the setting `exclude` leaves out: of what is named too. */
  readonly isExcluded: (path: string) => boolean;
  /** Whether a person typed the paths: what was forgotten is a source again if it is named so. */
  readonly typed: boolean;
  /** A folder for registry exports that is cleared after a crash too. */
  readonly scratch: string;
  /** Once it is aborted there is nothing to choose any more. */
  readonly stop: AbortSignal;
  /** The time: ms since 1970. */
  readonly now: () => number;
  /** Called once, unless it is stopped, with what could not be looked into: mail in there is not protected. */
  readonly onUnread: (unread: readonly LeftOut[]) => Promise<void>;
}

/**
 * The sources that `paths` name, registered; a folder stands for the mail stores in it. Without paths: all that are found, and
 * all stores that are known. Never what was forgotten or is excluded. None after a stop. Failure `source_missing` where there is
 * nothing; of several paths one that is not there is told to `onUnread` alone.
 */
export async function chooseSources(paths: readonly string[], options: ChooseOptions): Promise<Source[]> {
  const { sources, machine, isExcluded, stop } = options;
  const unread: LeftOut[] = [];
  const chosen = new Map<number, Source>();
  let passedBy = 0;
  const nameOf = await oneNames(sources, { platform: machine.platform }, options.now());
  const choice: Choice = {
    nameOf,
    add: async (path, kind, set = null) => {
      const name = await nameOf(path);
      const inSet = set === null ? null : setName(await nameOf(setPath(set)));
      const source = isExcluded(path) || isExcluded(name) ? null : sources.register(name, kind, inSet);
      if (source === null || source.forgottenAt !== null) passedBy++;
      else chosen.set(source.id, source);
    },
    leaveOut: (left) => {
      if (isUntaken(left) && !isExcluded(left.path)) unread.push(left);
    },
    missing: (path) => void unread.push({ path, why: 'missing', text: 'it is not there' }),
  };
  if (paths.length > 0) await named(paths, options, choice);
  else await foundAndKnown(options, choice);
  if (stop.aborted) return [];
  // A set is whole without what is left out of it.
  for (const { id, path, set } of sources.all()) if (set !== null && isExcluded(path)) sources.leaveSet(id);
  const [only] = unread;
  if (chosen.size === 0 && paths.length === 1 && only?.why === 'missing')
    throw new Failure('source_missing', `${only.path} is not there.`);
  await options.onUnread(unread);
  if (chosen.size === 0) {
    const where = paths.length > 0 ? paths.join(', ') : 'this machine';
    const other = passedBy > 0 ? ' but what was forgotten or is left out by the setting exclude' : '';
    const but = unread.map(({ path, text }) => `; ${path}: ${text}`).join('');
    throw new Failure('source_missing', `There is no mail store in ${where}${other}${but}.`);
  }
  return [...chosen.values()];
}

interface Choice {
  /** The one name of what is at a path. */
  readonly nameOf: (path: string) => Promise<string>;
  /** Registers a source by its one name and chooses it, unless it is excluded or was forgotten. */
  readonly add: (path: string, kind: SourceKind, set?: string | null) => Promise<void>;
  readonly leaveOut: (left: LeftOut) => void;
  /** A path that was named is not there, and nothing of it is known. */
  readonly missing: (path: string) => void;
}

/** Each path on its own: that one is missing keeps none of the others from being taken. */
async function named(
  paths: readonly string[],
  { sources, machine: { platform }, typed }: ChooseOptions,
  { nameOf, add, leaveOut, missing }: Choice,
): Promise<void> {
  const onSkipped = (skipped: Skipped) => leaveOut({ ...skipped, text: skippedText(skipped) });
  // What is known by a path through a link keeps that name, and its versions.
  const all = sources.all();
  const known = new Set(all.map((source) => source.path));
  const isKnown = (path: string) => known.has(path);
  for (const path of paths.map((one) => resolve(one))) {
    const there = await lookAtNamed(path);
    if (there.kind === 'folder') {
      for await (const store of findStores([there.real], { onSkipped })) {
        const below = join(path, relative(there.real, store.path));
        await add(isKnown(below) ? below : store.path, store.kind);
      }
      continue;
    }
    const real = there.kind === 'file' ? there.real : path;
    const held = all.filter((source) => isAtOrBelow(source.path, path, platform));
    const name = await nameOf(path);
    const itself = all.find((source) => source.path === name) ?? all.find((source) => source.path === real);
    if (typed && itself) sources.remember(itself.id);
    if (there.kind === 'file') await add(itself?.path ?? real, kindOf(real));
    // Of a folder that is not there, such as a stick's, each known source is missing.
    else for (const source of held) await add(source.path, source.kind);
    if (there.kind === 'skipped' && !itself) onSkipped(there.skipped);
    if (there.kind === 'missing' && held.length === 0) missing(path);
  }
}

async function foundAndKnown(
  { sources, machine, caches, networkStores, searchAll, scratch, stop }: ChooseOptions,
  { add, leaveOut }: Choice,
): Promise<void> {
  // Loaded only where no path is named: a scheduled run over one store needs no finder.
  const { findHere } = await import('../sources/this-machine.ts');
  const { items, leftOut } = await findHere(machine, { caches, networkStores, searchAll, scratch, stop });
  if (stop.aborted) return;
  for (const left of leftOut) leaveOut(left);
  for (const { path, kind, set } of items) {
    await add(path, kind, set);
    if (set !== null) await add(setPath(set), kind, set);
  }
  for (const { path, kind } of sources.all()) if (!COME_AND_GO.has(kind)) await add(path, kind);
}
