// Restore of sets: the versions that were together in one snapshot, by the list that was taken with them.
import type { VersionSummary } from '../../shared/protocol.ts';
import { isSetPath, type SetList } from '../backup/set-list.ts';
import { newestOfEach } from './plan.ts';

export interface Resolved {
  readonly versions: readonly VersionSummary[];
  /** The set of each version that is in one, by path. */
  readonly sets: ReadonlyMap<string, string>;
  /** Names of sets of which no state is whole: none of their files is among the versions. */
  readonly broken: readonly string[];
}

/**
 * The newest version of each path as newestOfEach() has it, but of a set the versions that its newest whole list names; files that
 * were gone by then, such as the log of a database that was closed, stay away. `read` gets a list; called once for each tried.
 */
export async function resolveSets(
  all: readonly VersionSummary[],
  at: number | undefined,
  read: (version: VersionSummary) => Promise<SetList>,
): Promise<Resolved> {
  const newest = newestOfEach(all, at);
  const members = new Map<string, VersionSummary>();
  const sets = new Map<string, string>();
  const inSets = new Set<string>();
  const broken: string[] = [];
  for (const { path } of newest.filter((version) => isSetPath(version.path))) {
    const lists = all
      .filter(
        (one) => one.path === path && one.complete && (at === undefined || Date.parse(one.takenAt) <= at),
      )
      .sort((a, b) => Date.parse(b.takenAt) - Date.parse(a.takenAt));
    let whole: VersionSummary[] | null = null;
    for (const version of lists) {
      const list = await read(version);
      for (const name of [...list.members.map((member) => member.path), ...list.gone]) inSets.add(name);
      whole = membersAt(list, version, all);
      if (whole) break;
    }
    for (const version of whole ?? []) {
      members.set(version.path, version);
      sets.set(version.path, path);
    }
    if (!whole) broken.push(path);
  }
  const alone = newest.filter(({ path }) => !isSetPath(path) && !inSets.has(path));
  return { versions: [...alone, ...members.values()], sets, broken };
}

/** The version of each member that was there when the list was taken; null where one is not on the server. */
export function membersAt(
  list: SetList,
  { takenAt }: Pick<VersionSummary, 'takenAt'>,
  all: readonly VersionSummary[],
): VersionSummary[] | null {
  const found: VersionSummary[] = [];
  for (const { path, size, mtime } of list.members) {
    const candidates = all.filter(
      (one) => one.path === path && one.complete && Date.parse(one.takenAt) <= Date.parse(takenAt),
    );
    const [newest] = candidates.sort((a, b) => Date.parse(b.takenAt) - Date.parse(a.takenAt));
    // A later state of it may not have come through; an earlier one would not fit the others.
    if (!newest || newest.size !== size || Date.parse(newest.mtime) !== Date.parse(mtime)) return null;
    found.push(newest);
  }
  return found;
}
