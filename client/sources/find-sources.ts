// Runs the finders of a platform over the users of a machine: everything there is to protect, each item once, and what was left out.
import path from 'node:path';
import { asFailure } from '../../shared/failure.ts';
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

/**
 * Looks for everything that is to be protected. Changes nothing. Of the same file only the first finding counts, so that an
 * item is there once. What a finder can't read is left out and said; the others go on.
 */
export async function findSources(machine: SearchedMachine, { caches }: { caches: boolean }): Promise<Found> {
  const items = new Map<string, FoundItem>();
  const leftOut = new Map<string, LeftOut>();
  const same = (place: string) => identity(place, machine.files);
  const leaveOut = (left: LeftOut) => {
    if (!leftOut.has(same(left.path))) leftOut.set(same(left.path), left);
  };
  const search = async (finders: readonly Finder[], user: SearchedUser, registry: Search['registry']) => {
    for (const finder of finders) {
      try {
        for await (const item of finder.find({ files: machine.files, registry, user, caches, leaveOut })) {
          if (!items.has(same(item.path))) items.set(same(item.path), item);
        }
      } catch (error) {
        const failure = asFailure(error);
        if (failure.code !== 'registry_failed') throw failure;
        const path = `${user.key ?? user.home}: ${finder.takes[0]?.what}`;
        leaveOut({ path, why: 'unreadable', text: failure.message.replace(/\.$/, '') });
      }
    }
  };
  if (machine.platform === 'win32' && machine.registry) {
    const registry = readOnce(machine.registry);
    const windows = { ...machine, registry: { ...machine.registry, ...registry } };
    await eachWindowsUser(windows, leaveOut, (user) => search(WINDOWS, user, registry));
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

/** The finders ask for the same keys; an export of each takes a process. */
function readOnce({ read, children }: Registry): Pick<Registry, 'read' | 'children'> {
  const remember = <T>(ask: (key: string) => Promise<T>) => {
    const answers = new Map<string, Promise<T>>();
    return (key: string): Promise<T> => {
      const answer = answers.get(key) ?? ask(key);
      answers.set(key, answer);
      return answer;
    };
  };
  return { read: remember(read), children: remember(children) };
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
