// What a restore of a kind will do, decided before anything is done: which version goes where, what is left, and why.
import { Failure } from '../../shared/failure.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { cutName, NAME_BYTES } from './file-name.ts';
import { placesBelow } from './foreign-path.ts';
import { type Here, ownerOf, placeHere } from './place.ts';

/** What is at a place now. */
export type There = 'nothing' | 'same' | 'other';

/**
 * write: nothing is there. replace: what is there is kept aside first. beside: under another name, as the place is taken.
 * same: there already. exists: left, as something else is there. refused: left for good, see the note.
 */
export type Action = 'write' | 'replace' | 'beside' | 'same' | 'exists' | 'refused';

export interface Placement {
  readonly version: VersionSummary;
  /** Null where it has no place here. */
  readonly to: string | null;
  readonly action: Action;
  /** Why it is left, or what there is to know; empty: nothing. */
  readonly note: string;
  /** Whether the program that owns the place has to be closed. */
  readonly closed: boolean;
}

export interface PlanOptions {
  readonly here: Here;
  /** Everything goes below this folder, as it lay; null: each to its own place. */
  readonly into: string | null;
  readonly overwrite: boolean;
  /** What is at a path of this machine, compared with a version. */
  readonly look: (to: string, version: VersionSummary) => Promise<There>;
  /** Names of the autocomplete streams that Outlook has made here. */
  readonly streams: readonly string[];
}

/**
 * Only the versions of one user, as `mine`: of `from`, or of the one who restores where several have any. What belongs to nobody's folder
 * comes along where there is one user at most and none is named; else it may be anybody's, is handed to no one, and comes as `nobodys`.
 * Failure `usage` where it is not clear whose are meant, with the names.
 */
export function ofOneUser(
  versions: readonly VersionSummary[],
  { from, here }: { from: string | undefined; here: Here },
): { mine: VersionSummary[]; nobodys: VersionSummary[] } {
  const owners = new Map<string, string>();
  for (const { path } of versions) {
    const owner = ownerOf(path);
    if (owner !== null) owners.set(owner.toLowerCase(), owner);
  }
  const only = (owner: string) => ({
    mine: versions.filter(({ path }) => ownerOf(path)?.toLowerCase() === owner.toLowerCase()),
    nobodys: versions.filter(({ path }) => ownerOf(path) === null),
  });
  const names = [...owners.values()].join(', ');
  if (from !== undefined) {
    if (owners.has(from.toLowerCase())) return only(from);
    throw new Failure(
      'not_found',
      `Nothing of this kind is of ${from}; there is something of: ${names || 'nobody'}.`,
    );
  }
  if (owners.size <= 1) return { mine: [...versions], nobodys: [] };
  const own = [here.user.name, here.user.sid ?? ''].find((name) => owners.has(name.toLowerCase()));
  if (own !== undefined) return only(own);
  throw new Failure('usage', `These are of several users: ${names}. Say whose with --from.`);
}

/** Decides for each version. Looks, and changes nothing. */
export async function planRestore(
  versions: readonly VersionSummary[],
  options: PlanOptions,
): Promise<Placement[]> {
  const { here, into } = options;
  const plan: Placement[] = [];
  const taken = new Set<string>();
  const folders = new Set<string>();
  const below =
    into === null
      ? null
      : placesBelow(
          versions.map(({ path }) => path),
          into,
          here.path,
        );
  // The newest first: of two that belong to one place it is the one to have.
  const newestFirst = [...versions].sort((a, b) => b.sequence - a.sequence);
  for (const version of newestFirst) {
    const placement = await place(version, options, below);
    const { to } = placement;
    if (to !== null) {
      const key = keyOf(to, here);
      const above = foldersAbove(key, here);
      if (taken.has(key) || folders.has(key) || above.some((folder) => taken.has(folder))) {
        const note = 'a newer version goes to the same place; restore it below a folder with --to';
        plan.push({ ...placement, action: 'refused', note });
        continue;
      }
      taken.add(key);
      for (const folder of above) folders.add(folder);
    }
    plan.push(placement);
  }
  return plan.sort((a, b) => (a.version.path < b.version.path ? -1 : 1));
}

/** Equal for places that are one file here: Windows goes by no case. */
function keyOf(to: string, { path }: Here): string {
  return path.sep === '\\' ? to.toLowerCase() : to;
}

function foldersAbove(to: string, { path }: Here): string[] {
  const above: string[] = [];
  for (let at = path.dirname(to); at !== above.at(-1); at = path.dirname(at)) above.push(at);
  return above;
}

/** `below`: the place of each path below the folder that everything goes to; null: each goes to its own. */
async function place(
  version: VersionSummary,
  options: PlanOptions,
  below: ReadonlyMap<string, string> | null,
): Promise<Placement> {
  const { here, overwrite, look } = options;
  const refused = (note: string): Placement => ({
    version,
    to: null,
    action: 'refused',
    note,
    closed: false,
  });
  const decided = (to: string, there: There, closed: boolean): Placement => {
    if (there === 'nothing') return { version, to, action: 'write', note: '', closed };
    if (there === 'same') return { version, to, action: 'same', note: 'it is there already', closed: false };
    if (overwrite)
      return { version, to, action: 'replace', note: 'what is there is kept aside', closed: true };
    return {
      version,
      to,
      action: 'exists',
      note: 'something else is there; say --overwrite to replace it',
      closed: false,
    };
  };
  if (below) {
    const to = below.get(version.path)!;
    return decided(to, await look(to, version), false);
  }
  if (version.kind === 'ost')
    return refused('an OST never goes into a profile, where Outlook makes its own; name a place with --to');
  const found = placeHere(version, here);
  if ('refused' in found) return refused(`${found.refused} With --to it is restored below a folder.`);
  if (found.take?.id === 'autocomplete') return stream(version, found.to, options);
  const there = await look(found.to, version);
  const closed = found.take?.closed ?? version.kind === 'mail-client';
  const placement = decided(found.to, there, closed);
  if (version.kind !== 'pst' || placement.action !== 'exists') return placement;
  // Two stores side by side can both be opened.
  const to = besideName(found.to, version, here);
  const beside = await look(to, version);
  if (beside === 'nothing')
    return { version, to, action: 'beside', note: `${found.to} is taken`, closed: false };
  return {
    ...decided(to, beside, false),
    note: beside === 'same' ? 'it is there already' : `${to} is taken too`,
  };
}

/** `mail (2026-11-24 0800).pst`: of when it was taken. */
export function besideName(to: string, { takenAt }: VersionSummary, { path }: Pick<Here, 'path'>): string {
  const { dir, name, ext } = path.parse(to);
  const when = new Date(takenAt).toISOString().slice(0, 16).replace('T', ' ').replace(':', '');
  const more = ` (${when})${ext}`;
  return path.join(dir, cutName(name, NAME_BYTES - Buffer.byteLength(more)) + more);
}

/** Outlook only reads the stream that it made itself for the account, whose name it finds by means of its own. */
async function stream(
  version: VersionSummary,
  to: string,
  { here, look, streams }: PlanOptions,
): Promise<Placement> {
  const refused = (note: string): Placement => ({
    version,
    to: null,
    action: 'refused',
    note,
    closed: false,
  });
  const own = here.path.basename(to).toLowerCase();
  const same = streams.find((name) => name.toLowerCase() === own);
  const [first, ...more] = streams;
  if (first === undefined)
    return refused(
      'Outlook has made no autocomplete stream here yet: start it, send a message, close it, and say this again',
    );
  if (same === undefined && more.length > 0)
    return refused(
      `Outlook has several autocomplete streams here (${streams.join(', ')}); restore it with --to and put it over the right one`,
    );
  const target = here.path.join(here.path.dirname(to), same ?? first);
  if ((await look(target, version)) === 'same')
    return { version, to: target, action: 'same', note: 'it is there already', closed: false };
  return {
    version,
    to: target,
    action: 'replace',
    note: "over Outlook's own stream, which is kept aside",
    closed: true,
  };
}

/** Files that SQLite keeps beside a database and would take for its own: the newest changes of a database that was there before. */
export const BESIDE_DATABASE = ['-wal', '-journal', '-shm'];

/** A file that an older database left beside the place of a set: in its way. */
export interface Leftover {
  readonly set: string;
  readonly file: string;
}

/**
 * The plan with sets kept whole: of a set everything is written or nothing. `sets`: the set of each path that is in one. `exists`:
 * whether there is a file of this machine. What an older database left beside a place is in the way too, and comes as `leftovers`.
 */
export async function keepSetsWhole(
  plan: readonly Placement[],
  {
    sets,
    overwrite,
    exists,
  }: {
    sets: ReadonlyMap<string, string>;
    overwrite: boolean;
    exists: (path: string) => Promise<boolean>;
  },
): Promise<{ plan: Placement[]; leftovers: Leftover[] }> {
  const targets = new Set(plan.map(({ to }) => to));
  const found: Leftover[] = [];
  const blocked = new Map<string, Pick<Placement, 'action' | 'note'>>();
  const inTheWay = (file: string) =>
    ({ action: 'exists', note: `${file} is in the way of its set; say --overwrite` }) as const;
  for (const { version, to, action } of plan) {
    const set = sets.get(version.path);
    if (set === undefined) continue;
    if (action === 'exists') blocked.set(set, inTheWay(to ?? version.path));
    for (const file of to === null ? [] : BESIDE_DATABASE.map((suffix) => to + suffix)) {
      if (targets.has(file) || !(await exists(file))) continue;
      if (overwrite) found.push({ set, file });
      else blocked.set(set, inTheWay(file));
    }
  }
  // Last, as it counts more: --overwrite does not help there.
  for (const { version, action } of plan) {
    const set = sets.get(version.path);
    if (set === undefined || action !== 'refused') continue;
    const note = `${version.path}: a file of its set has no place here; restore it below a folder with --to`;
    blocked.set(set, { action, note });
  }
  const whole = plan.map((placement): Placement => {
    const block = blocked.get(sets.get(placement.version.path) ?? '');
    if (block === undefined || !(placement.action === 'write' || placement.action === 'replace'))
      return placement;
    return { ...placement, ...block, closed: false };
  });
  // What lies beside a set that is not written belongs to what is there.
  return { plan: whole, leftovers: found.filter(({ set }) => !blocked.has(set)) };
}
