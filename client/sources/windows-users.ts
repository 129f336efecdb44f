// The users of a Windows machine with their folders: the one who runs this, or everybody where it runs as LocalSystem.
import { win32 } from 'node:path';
import { asFailure } from '../../shared/failure.ts';
import type { RegKey } from '../registry/reg-file.ts';
import { keyAt, textNamed, textOf } from '../registry/reg-value.ts';
import type { Registry } from '../registry/registry.ts';
import { type FileView, kindAt } from './file-view.ts';
import type { LeftOut, SearchedUser } from './finder.ts';
import { hiveView, type RegistryView, readOnce, saidWhereUnread } from './registry-view.ts';

export interface WindowsMachine {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly files: FileView;
  readonly registry: Registry;
  /** Copies a hive file with its logs to where only we can look, hands the copy to `use`, and removes it in every case. */
  readonly withHiveCopy: <T>(hive: string, use: (copy: string) => Promise<T>) => Promise<T>;
}

/** A machine whose registry is read alone. */
type Seen = Omit<WindowsMachine, 'withHiveCopy' | 'registry'> & { readonly registry: RegistryView };

const PROFILE_LIST = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList';
/** People's accounts: S-1-5-21 of a machine or a domain, S-1-12-1 of Entra ID (MS-DTYP 2.4.2.4). Not services, not .bak copies. */
const PERSON = /^S-1-(5-21|12-1)(-\d+)+$/;

interface Profile {
  readonly sid: string;
  readonly home: string;
}

/** Whether this is a service that runs as LocalSystem: whose own profile holds nobody's mail. */
export function isLocalSystem({ env, home }: Pick<WindowsMachine, 'env' | 'home'>): boolean {
  return /\\config\\systemprofile\\?$/i.test(env.USERPROFILE ?? home);
}

/** What is done with each user. */
export interface EachUser {
  readonly leaveOut: (left: LeftOut) => void;
  /** Asks the registry for all that `use` will: what was not asked can't be known of a user who is logged off. */
  readonly ask: (user: SearchedUser, registry: RegistryView) => Promise<void>;
  readonly use: (user: SearchedUser, registry: RegistryView) => Promise<void>;
  /** Once it is aborted no user comes any more, and no hive is loaded. */
  readonly stop?: AbortSignal | undefined;
}

/**
 * Calls `use` for each user, one after the other. What of the registry can't be read is said, and its user comes without it. The hive
 * of one who is logged off is loaded for as long as `ask` takes.
 */
export async function eachWindowsUser(machine: WindowsMachine, each: EachUser): Promise<void> {
  const { leaveOut, use, stop } = each;
  const registry = saidWhereUnread(readOnce(machine.registry), leaveOut, stop);
  const profiles = await profileList({ ...machine, registry });
  if (!isLocalSystem(machine)) {
    // Who it is can't be told without the list: their things would be taken for somebody else's.
    const nobody = { home: machine.home, sid: null, key: null, loggedOn: true };
    const own = profiles ? ownProfile(machine, profiles) : nobody;
    return use(await windowsUser({ ...machine, registry }, own), registry);
  }
  // One that could not be unloaded at the look before; where it still can't, that is said by the one that follows.
  await machine.registry.unloadLeft();
  const loaded = new Set(((await registry.children('HKEY_USERS')) ?? []).map((sid) => sid.toUpperCase()));
  for (const profile of profiles ?? []) {
    if (stop?.aborted) return;
    const { sid, home } = profile;
    if (loaded.has(sid.toUpperCase())) {
      const who = { home, sid, key: `HKEY_USERS\\${sid}`, loggedOn: true };
      await use(await windowsUser({ ...machine, registry }, who), registry);
      continue;
    }
    const known = await askHive(machine, profile, each);
    const who = { home, sid, key: null, loggedOn: false };
    await use(known?.user ?? (await windowsUser({ ...machine, registry }, who)), known?.registry ?? registry);
  }
}

/** What the hive of a user who is logged off says, asked while a copy of it is loaded; null where it could not be asked. */
async function askHive(
  machine: WindowsMachine,
  { sid, home }: Profile,
  { leaveOut, ask, stop }: EachUser,
): Promise<{ user: SearchedUser; registry: RegistryView } | null> {
  const hive = win32.join(home, 'NTUSER.DAT');
  const key = `HKEY_USERS\\${sid}`;
  // Names of this look alone would make the same failure another one each time.
  const passing = new Map<string, string>();
  let known: { user: SearchedUser; registry: RegistryView } | null = null;
  try {
    await machine.withHiveCopy(hive, (copy) => {
      passing.set(copy, hive);
      return machine.registry.withHive(copy, async (loaded) => {
        passing.set(loaded, 'its copy');
        const { view, close } = hiveView(machine.registry, loaded, key);
        const registry = saidWhereUnread(view, leaveOut, stop);
        const user = await windowsUser({ ...machine, registry }, { home, sid, key, loggedOn: false });
        await ask(user, registry);
        close();
        known = { user, registry };
      });
    });
  } catch (error) {
    let text = asFailure(error).message.replace(/\.$/, '');
    for (const [name, lasting] of passing) text = text.replaceAll(name, lasting);
    leaveOut({
      path: hive,
      why: 'unreadable',
      text: known
        ? `the registry of a user who is logged off was read, but what that took stays for now: ${text}`
        : `the registry of a user who is logged off: ${text}; only their usual folders are searched`,
    });
  }
  return known;
}

/** The user who runs this. Failure `registry_failed` where their part of the registry can't be read. */
export async function thisWindowsUser(machine: Omit<WindowsMachine, 'withHiveCopy'>): Promise<SearchedUser> {
  return windowsUser(machine, ownProfile(machine, (await profileList(machine)) ?? []));
}

function ownProfile({ home }: Pick<WindowsMachine, 'home'>, profiles: readonly Profile[]) {
  const mine = profiles.find((one) => one.home.toLowerCase() === home.toLowerCase());
  const key = mine ? `HKEY_USERS\\${mine.sid}` : 'HKEY_CURRENT_USER';
  return { home, sid: mine?.sid ?? null, key, loggedOn: true };
}

/** Null where there is no list. */
async function profileList({ registry, env }: Seen): Promise<Profile[] | null> {
  const keys = await registry.read(PROFILE_LIST);
  if (keys === null) return null;
  const profiles: Profile[] = [];
  for (const key of keys) {
    const sid = key.path.slice(PROFILE_LIST.length + 1);
    const home = textNamed(key, 'ProfileImagePath');
    if (!PERSON.test(sid) || home === null) continue;
    profiles.push({ sid, home: win32.normalize(home.replace(/%SystemDrive%/i, env.SystemDrive ?? 'C:')) });
  }
  return profiles;
}

/** Where Windows keeps a user's folders, with variables that are to be expanded. */
const SHELL_FOLDERS = 'Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\User Shell Folders';

async function windowsUser(
  machine: Seen,
  who: Pick<SearchedUser, 'home' | 'sid' | 'key' | 'loggedOn'>,
): Promise<SearchedUser> {
  const { registry, files, env } = machine;
  const { home, key } = who;
  const { join } = win32;
  const read = async (name: string): Promise<RegKey | undefined> =>
    key === null ? undefined : keyAt(await registry.read(`${key}\\${name}`), `${key}\\${name}`);
  const named = new Map<string, string>();
  for (const part of [await read('Environment'), await read('Volatile Environment')]) {
    for (const value of part?.values ?? []) {
      const text = textOf(value);
      if (text !== null) named.set(value.name.toLowerCase(), text);
    }
  }
  const vista = (await kindAt(files, join(home, 'AppData'))) === 'folder';
  const variables = new Map([
    ['systemdrive', env.SystemDrive ?? 'C:'],
    ['username', win32.basename(home)],
    ...named,
    ['userprofile', home],
  ]);
  const expand = (text: string): string | null => {
    let known = true;
    const expanded = text.replace(/%([^%]+)%/g, (_, name: string) => {
      const value = variables.get(name.toLowerCase());
      if (value === undefined) known = false;
      return value ?? '';
    });
    // A variable may name another one; nobody nests them deeper than once.
    return known ? expanded.replace(/%USERPROFILE%/gi, home) : null;
  };
  const shell = await read(SHELL_FOLDERS);
  const folder = (name: string, usual: string): string => {
    const text = textNamed(shell, name);
    const expanded = text === null ? null : expand(text);
    return expanded === null ? usual : win32.normalize(expanded);
  };
  const roaming = folder('AppData', join(home, vista ? 'AppData\\Roaming' : 'Application Data'));
  const local = folder(
    'Local AppData',
    join(home, vista ? 'AppData\\Local' : 'Local Settings\\Application Data'),
  );
  variables.set('appdata', roaming).set('localappdata', local);
  const documents = folder('Personal', join(home, vista ? 'Documents' : 'My Documents'));
  return { ...who, name: win32.basename(home), roaming, local, documents, expand };
}
