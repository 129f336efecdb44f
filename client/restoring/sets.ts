// Restore of sets: the versions that were together in one snapshot, by the list that was taken with them.
import type { VersionSummary } from '../../shared/protocol.ts';
import { isSetPath, type SetList } from '../backup/set-list.ts';

export interface Resolved {
  readonly versions: readonly VersionSummary[];
  /** The set of each version that is in one, by path. */
  readonly sets: ReadonlyMap<string, string>;
  /** Names of sets of which no state is whole: none of their files is among the versions. */
  readonly broken: readonly string[];
}

/** What the server is asked of the paths of a set. */
export interface SetHistory {
  /** Complete versions of `path`, newest first in the server's order; those received after `at` too where it is not given. */
  versionsOf(path: string, at?: number): AsyncIterable<VersionSummary>;
  /** The list that `version` is. Called once for each tried. */
  read(version: VersionSummary): Promise<SetList>;
}

/**
 * `newest`, the newest version of each path (at the time `at`, ms since 1970), but of a set the versions that its newest whole list
 * names; files that were gone by then, such as the log of a database that was closed, stay away.
 */
export async function resolveSets(
  newest: readonly VersionSummary[],
  at: number | undefined,
  history: SetHistory,
): Promise<Resolved> {
  const members = new Map<string, VersionSummary>();
  const sets = new Map<string, string>();
  const inSets = new Set<string>();
  const broken: string[] = [];
  for (const { path } of newest.filter((version) => isSetPath(version.path))) {
    let whole: VersionSummary[] | null = null;
    for await (const version of history.versionsOf(path, at)) {
      const list = await history.read(version);
      for (const name of [...list.members.map((member) => member.path), ...list.gone]) inSets.add(name);
      whole = await membersAt(list, version, history);
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
async function membersAt(
  list: SetList,
  of: Pick<VersionSummary, 'takenAt' | 'sequence'>,
  history: Pick<SetHistory, 'versionsOf'>,
): Promise<VersionSummary[] | null> {
  const found: VersionSummary[] = [];
  for (const { path, size, mtime } of list.members) {
    let member: VersionSummary | undefined;
    for await (const version of history.versionsOf(path)) {
      // Of the same snapshot, or unchanged since an earlier one: its receipt came before that of the list then.
      const same = version.takenAt === of.takenAt;
      if (!same && version.sequence > of.sequence) continue;
      member = version;
      break;
    }
    // A later state of it may not have come through; an earlier one would not fit the others.
    if (!member || member.size !== size || Date.parse(member.mtime) !== Date.parse(mtime)) return null;
    found.push(member);
  }
  return found;
}
