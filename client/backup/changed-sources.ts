// Which sources have to be read now, and from what: those that changed, by the volume that is frozen for them.
import { asFailure } from '../../shared/failure.ts';
import type { Device } from '../device.ts';
import { freezerOf, type SnapshotChoice } from '../snapshot/freezer.ts';
import type { SnapshotProvider, Volume } from '../snapshot/snapshot.ts';
import { isNetworkPath } from '../sources/network-path.ts';
import type { Source } from '../state/source-registry.ts';
import { baseOf } from './base-of.ts';
import { leftOutFailure } from './left-out.ts';
import { currentMark } from './source-file.ts';
import { bySet, needOfSet } from './source-sets.ts';
import { onTheirWay } from './supersede.ts';

/** Sources that one snapshot serves. */
export interface Group {
  readonly provider: SnapshotProvider;
  readonly volume: Volume;
  readonly sources: Source[];
}

export interface Looked {
  /** Without those whose snapshot would have none of their sources (LeftOut). */
  readonly groups: readonly Group[];
  /** As they were at their receipt. */
  readonly unchanged: readonly Source[];
  /** The lists of sets that are as they were. */
  readonly lists: readonly Source[];
  /** Their state, or an older one that goes first, is on its way. */
  readonly waiting: readonly Source[];
}

/** Looks at the live files; `fail` is told of each source that can't be looked at. */
export async function changedSources(
  device: Device,
  sources: readonly Source[],
  options: { snapshot: SnapshotChoice; networkLive: boolean; fail: (source: Source, error: unknown) => void },
): Promise<Looked> {
  const groups = new Map<string, Group>();
  const choiceFor = (path: string) =>
    options.networkLive && isNetworkPath(path) ? 'live' : options.snapshot;
  const readLive = new Map<string, string[]>();
  const waiting: Source[] = [];
  const unchanged: Source[] = [];
  const lists: Source[] = [];
  /** Has a source read from the volume of `path`. */
  const add = async (source: Source, path = source.path) => {
    try {
      // Asked before there is a snapshot: that lives no longer than the reading.
      await baseOf(device, source);
      const { provider, volume, instead } = await freezerOf(device.snapshots, path, choiceFor(path));
      if (instead && path === source.path) readLive.set(instead, [...(readLive.get(instead) ?? []), path]);
      const key = `${provider.kind} ${volume.root}`;
      const group = groups.get(key) ?? { provider, volume, sources: [] };
      group.sources.push(source);
      groups.set(key, group);
    } catch (error) {
      options.fail(source, error);
    }
  };
  const { alone, sets } = bySet(sources.map(({ id }) => device.sources.get(id)));
  for (const source of alone) {
    try {
      const need = await needOf(device, source);
      if (source.goneSince !== null) device.sources.thereAgain(source.id);
      if (need === 'unchanged') unchanged.push(source);
      if (need === 'waits') waiting.push(source);
      if (need === 'read') await add(source);
    } catch (error) {
      options.fail(source, error);
    }
  }
  for (const set of sets) {
    const need = await needOfSet(device, set);
    if (need === 'unchanged') {
      unchanged.push(...set.members);
      lists.push(set.list);
    }
    if (need === 'waits') waiting.push(...set.members, set.list);
    if (need !== 'read') continue;
    for (const source of set.members) await add(source);
    // Last, when it is known what came of the others.
    await add(set.list, set.members[0]!.path);
  }
  for (const [why, [first, ...more]] of readLive) {
    const which = more.length === 0 ? `${first} is` : `${more.length + 1} sources are`;
    device.progress.say(`${which} read live. ${why}`);
  }
  const worthIt = ({ provider, sources }: Group) => {
    if (provider.kind === 'live' || provider.kind === 'export') return true;
    return !sources.every((source) => device.leftOut.stays(source));
  };
  const due: Group[] = [];
  for (const group of groups.values()) {
    if (worthIt(group)) due.push(group);
    else for (const source of group.sources) options.fail(source, leftOutFailure(source));
  }
  return { groups: due, unchanged, lists, waiting };
}

/** read: it changed. waits: its state, or an older one that goes first, is on its way. unchanged: it is as its receipt says. */
async function needOf(device: Device, source: Source): Promise<'read' | 'waits' | 'unchanged'> {
  const under = onTheirWay(device, source);
  if (under.some(({ givesWay }) => !givesWay)) return 'waits';
  const mark = await liveMark(source.path);
  const newest = under.at(-1)?.backup.mark ?? source.mark;
  if (mark === null || mark !== newest) return 'read';
  return under.length > 0 ? 'waits' : 'unchanged';
}

/** Failures that a snapshot does not get around: none is made for them. */
const NO_SNAPSHOT_HELPS: ReadonlySet<string> = new Set([
  'source_missing',
  'source_not_a_file',
  'source_silent',
  'source_of_another',
  'source_name',
  'source_cloud_only',
]);

/** The mark of the live file; null where it is locked, which only a snapshot gets around. */
async function liveMark(path: string): Promise<string | null> {
  try {
    return await currentMark(path);
  } catch (error) {
    if (NO_SNAPSHOT_HELPS.has(asFailure(error).code)) throw error;
    return null;
  }
}
