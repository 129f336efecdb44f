// Runs the finders of a platform over the users of a machine: everything there is to protect, each item once, and what was left out.
import path from 'node:path';
import { asFailure } from '../../shared/failure.ts';
import { isRegistryPath, type Registry } from '../registry/registry.ts';
import type { FileView } from './file-view.ts';
import type { Finder, FoundItem, LeftOut, Search, SearchedUser, Take } from './finder.ts';
import { emClient, theBat, windowsLiveMail, windowsMail } from './folder-client.ts';
import { mayFollow } from './follow-rule.ts';
import { homeStores } from './home-stores.ts';
import { mapiProfiles } from './mapi-profiles.ts';
import { postbox, thunderbird } from './mozilla.ts';
import { outlookData } from './outlook-data.ts';
import { outlookSettings } from './outlook-settings.ts';
import { fixedVolumes, storesOnVolumes } from './search-volumes.ts';
import { plainPath, spellingKey } from './source-spelling.ts';
import { storesOfNobody } from './stores-of-nobody.ts';
import { eachWindowsUser, isLocalSystem, type WindowsMachine } from './windows-users.ts';

const WINDOWS: readonly Finder[] = [
  outlookData,
  outlookSettings,
  mapiProfiles,
  thunderbird,
  postbox,
  windowsLiveMail,
  windowsMail,
  emClient,
  theBat,
];
const OTHERS: readonly Finder[] = [homeStores, thunderbird, postbox];

/** Every row of the table of what is taken, by platform. */
export function takesOf(platform: string): readonly Take[] {
  return (platform === 'win32' ? WINDOWS : OTHERS).flatMap(({ takes }) => takes);
}

export interface SearchedMachine extends Omit<WindowsMachine, 'registry'> {
  readonly platform: string;
  /** Null where the machine has none. */
  readonly registry: Registry | null;
}

export interface Found {
  readonly items: readonly FoundItem[];
  readonly leftOut: readonly LeftOut[];
}

export interface FindOptions {
  /** Whether copies of what a server holds are taken too. */
  readonly caches: boolean;
  /** Whether stores on network drives are taken too; not unless it is said. */
  readonly networkStores?: boolean;
  /** Whether all fixed volumes are searched for PST files too. */
  readonly searchAll?: boolean;
  /** Once it is aborted the look ends soon, with a part of what there is. */
  readonly stop?: AbortSignal | undefined;
}

/**
 * Looks for everything that is to be protected. Changes nothing. Of the same file only the first finding counts, so that an
 * item is there once. What can't be read, of folders or of the registry, is left out and said; the rest is found all the same.
 */
export async function findSources(
  machine: SearchedMachine,
  { caches, networkStores = false, searchAll = false, stop }: FindOptions,
): Promise<Found> {
  const items = new Map<string, FoundItem>();
  const leftOut = new Map<string, LeftOut>();
  const same = (place: string) => identity(place, machine.files);
  const leaveOut = (left: LeftOut) => {
    if (!leftOut.has(same(left.path))) leftOut.set(same(left.path), left);
  };
  const add = (item: FoundItem) => {
    if (!items.has(same(item.path))) items.set(same(item.path), item);
  };
  const files = untilStop(machine.files, stop);
  const isSystem = isLocalSystem(machine);
  const search = async (finders: readonly Finder[], user: SearchedUser, registry: Search['registry']) => {
    const failed: string[] = [];
    for (const finder of finders) {
      try {
        for await (const item of finder.find({ files, registry, user, caches, networkStores, leaveOut })) {
          const why = isSystem ? await notTheirs(item.path, user, files) : null;
          if (why === null) add(item);
          else leaveOut({ path: item.path, why: 'link', text: `${item.why}, but it is ${why}` });
        }
      } catch (error) {
        failed.push(`${finder.name} (${asFailure(error).message})`);
      }
    }
    // One finder that fails keeps no other from finding what is there.
    if (failed.length > 0)
      leftOut.set(`search of ${same(user.home)}`, {
        path: user.home,
        why: 'unreadable',
        text: `the search failed for ${failed.join(', ')}`,
      });
  };
  if (machine.platform === 'win32' && machine.registry) {
    const windows = { ...machine, files, registry: machine.registry };
    await eachWindowsUser(windows, {
      leaveOut,
      stop,
      ask: async (user, registry) => {
        for (const { ask } of WINDOWS) await ask?.({ registry, user });
      },
      use: (user, registry) => search(WINDOWS, user, registry),
    });
    for await (const item of storesOfNobody(windows, leaveOut)) add(item);
  } else {
    await search(OTHERS, plainUser(machine), null);
  }
  if (searchAll && !stop?.aborted) {
    const volumes = await fixedVolumes({ ...machine, files });
    for await (const item of storesOnVolumes(volumes, { files, leaveOut })) add(item);
  }
  // What one user left out another may have named; a file that is taken and could not be looked into is both.
  return {
    items: [...items.values()],
    leftOut: [...leftOut]
      .filter(([key, { why }]) => why === 'unreadable' || !items.has(key))
      .map(([, left]) => left),
  };
}

/**
 * Why LocalSystem does not take for a user what their registry or a link of theirs names; null: it does. Who reads with all rights takes
 * nothing of another user for them, and nothing of Windows' own.
 */
async function notTheirs(place: string, { home }: SearchedUser, files: FileView): Promise<string | null> {
  if (isRegistryPath(place)) return null;
  const why = (real: string) =>
    mayFollow({ real: plainPath(real), kind: 'file', size: 0 }, { root: home, owner: null, sep: '\\' });
  const named = why(place);
  if (named !== null) return named.replace('a link that leads', 'a path that leads');
  // Links, and short names of folders.
  const there = await files.follow(place).catch(() => null);
  return there === null ? null : why(there.real);
}

/** What makes two paths one: on Windows neither case nor the long form's mark tells them apart. */
function identity(place: string, files: FileView): string {
  if (files.path.sep === '/') return place;
  return spellingKey(place, 'win32');
}

/** A machine whose folders are empty once it is asked to stop: a walk through a home ends at once. */
function untilStop(files: FileView, stop: AbortSignal | undefined): FileView {
  async function* list(folder: string) {
    if (!stop?.aborted) yield* files.list(folder);
  }
  return { ...files, list };
}

/** The one who runs this, where there is no registry to ask. */
export function plainUser({ home }: Pick<SearchedMachine, 'home'>): SearchedUser {
  return {
    name: path.basename(home),
    sid: null,
    key: null,
    loggedOn: true,
    home,
    roaming: home,
    local: home,
    documents: path.join(home, 'Documents'),
    expand: (text) => text,
  };
}
