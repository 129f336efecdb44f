// The users of a Windows machine with their folders: the one who runs this, or everybody where it runs as LocalSystem.
import { win32 } from 'node:path';
import { asFailure } from '../../shared/failure.ts';
import type { RegKey } from '../registry/reg-file.ts';
import { keyAt, textNamed, textOf } from '../registry/reg-value.ts';
import type { Registry } from '../registry/registry.ts';
import { type FileView, kindAt } from './file-view.ts';
import type { LeftOut, SearchedUser } from './finder.ts';

export interface WindowsMachine {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly files: FileView;
  readonly registry: Registry;
  /** Copies a hive file with its logs to where only we can look, hands the copy to `use`, and removes it in every case. */
  readonly withHiveCopy: <T>(hive: string, use: (copy: string) => Promise<T>) => Promise<T>;
}

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

/** Calls `use` for each user, one after the other. A user whose registry can't be read comes without it, and that is said. */
export async function eachWindowsUser(
  machine: WindowsMachine,
  leaveOut: (left: LeftOut) => void,
  use: (user: SearchedUser) => Promise<void>,
): Promise<void> {
  const { registry } = machine;
  if (!isLocalSystem(machine)) return use(await thisWindowsUser(machine));
  const profiles = await profileList(machine);
  const loaded = new Set(((await registry.children('HKEY_USERS')) ?? []).map((sid) => sid.toUpperCase()));
  for (const { sid, home } of profiles) {
    if (loaded.has(sid.toUpperCase())) {
      await use(await windowsUser(machine, { home, sid, key: `HKEY_USERS\\${sid}`, loggedOn: true }));
      continue;
    }
    const hive = win32.join(home, 'NTUSER.DAT');
    let used = false;
    try {
      await machine.withHiveCopy(hive, (copy) =>
        registry.withHive(copy, async (key) => {
          const user = await windowsUser(machine, { home, sid, key, loggedOn: false });
          used = true;
          await use(user);
        }),
      );
    } catch (error) {
      const { message, code } = asFailure(error);
      if (used && code !== 'registry_failed') throw error;
      if (used) {
        leaveOut({ path: hive, why: 'unreadable', text: message.replace(/\.$/, '') });
        continue;
      }
      leaveOut({
        path: hive,
        why: 'unreadable',
        text: `the registry of a user who is logged off: ${message.replace(/\.$/, '')}; only their usual folders are searched`,
      });
      await use(await windowsUser(machine, { home, sid, key: null, loggedOn: false }));
    }
  }
}

/** The user who runs this. */
export async function thisWindowsUser(machine: Omit<WindowsMachine, 'withHiveCopy'>): Promise<SearchedUser> {
  const { home } = machine;
  const mine = (await profileList(machine)).find((one) => one.home.toLowerCase() === home.toLowerCase());
  const key = mine ? `HKEY_USERS\\${mine.sid}` : 'HKEY_CURRENT_USER';
  return windowsUser(machine, { home, sid: mine?.sid ?? null, key, loggedOn: true });
}

async function profileList({ registry, env }: Pick<WindowsMachine, 'registry' | 'env'>): Promise<Profile[]> {
  const keys = await registry.read(PROFILE_LIST);
  const profiles: Profile[] = [];
  for (const key of keys ?? []) {
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
  machine: Omit<WindowsMachine, 'withHiveCopy'>,
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
