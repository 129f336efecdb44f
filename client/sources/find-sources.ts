// Runs the finders of a platform over the users of a machine: everything there is to protect, each item once, and what was left out.
import path from 'node:path';
import type { Registry } from '../registry/registry.ts';
import type { FileView } from './file-view.ts';
import type { Finder, FoundItem, LeftOut, Search, SearchedUser, Take } from './finder.ts';
import { emClient, theBat, windowsLiveMail, windowsMail } from './folder-client.ts';
import { homeStores } from './home-stores.ts';
import { mapiProfiles } from './mapi-profiles.ts';
import { postbox, thunderbird } from './mozilla.ts';
import { outlookData } from './outlook-data.ts';
import { outlookSettings } from './outlook-settings.ts';
import { eachWindowsUser, type WindowsMachine } from './windows-users.ts';

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
  /** Once it is aborted the look ends soon, with a part of what there is. */
  readonly stop?: AbortSignal | undefined;
}

/**
 * Looks for everything that is to be protected. Changes nothing. Of the same file only the first finding counts, so that an
 * item is there once. What can't be read, of folders or of the registry, is left out and said; the rest is found all the same.
 */
export async function findSources(
  machine: SearchedMachine,
  { caches, networkStores = false, stop }: FindOptions,
): Promise<Found> {
  const items = new Map<string, FoundItem>();
  const leftOut = new Map<string, LeftOut>();
  const same = (place: string) => identity(place, machine.files);
  const leaveOut = (left: LeftOut) => {
    if (!leftOut.has(same(left.path))) leftOut.set(same(left.path), left);
  };
  const files = untilStop(machine.files, stop);
  const search = async (finders: readonly Finder[], user: SearchedUser, registry: Search['registry']) => {
    for (const finder of finders) {
      for await (const item of finder.find({ files, registry, user, caches, networkStores, leaveOut })) {
        if (!items.has(same(item.path))) items.set(same(item.path), item);
      }
    }
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
  } else {
    await search(OTHERS, plainUser(machine), null);
  }
  // What one user left out another may have named.
  return {
    items: [...items.values()],
    leftOut: [...leftOut].filter(([key]) => !items.has(key)).map(([, left]) => left),
  };
}

/** What makes two paths one: on Windows neither case nor the long form's mark does. */
function identity(place: string, files: FileView): string {
  if (files.path.sep === '/') return place;
  return files.path.normalize(place.replace(/^\\\\\?\\(?=[a-z]:)/i, '')).toLowerCase();
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
