// The users of a Windows machine with their folders: the one who runs this, or everybody where it runs as LocalSystem.
import { win32 } from 'node:path';
import { asFailure } from '../../shared/failure.ts';
import { isSystemProfile } from '../far/for-its-owner.ts';
import type { RegKey } from '../registry/reg-file.ts';
import { keyAt, textNamed } from '../registry/reg-value.ts';
import type { Registry } from '../registry/registry.ts';
import { type FileView, kindAt } from './file-view.ts';
import { type LeftOut, type SearchedUser, unresolved } from './finder.ts';
import { hiveView, type RegistryView, readOnce, saidWhereUnread } from './registry-view.ts';
import { expandAll, machineVariables, variablesIn } from './windows-variables.ts';

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
/**
 * People's accounts: S-1-5-21 of a machine or a domain, S-1-12-1 of Entra ID (MS-DTYP 2.4.2.4). Not services. Where Windows could not
 * load a profile it logs its user on with a temporary one, and puts `.bak` behind the name of the row of the real one.
 */
const PERSON = /^(S-1-(?:5-21|12-1)(?:-\d+)+)(\.bak)?$/i;

interface Profile {
  readonly sid: string;
  readonly home: string;
  /** The real profile of a user who may be logged on with a temporary one: it is never loaded. */
  readonly setAside: boolean;
}

/** Whether this is a service that runs as LocalSystem: whose own profile holds nobody's mail. */
export function isLocalSystem({ env, home }: Pick<WindowsMachine, 'env' | 'home'>): boolean {
  return isSystemProfile(env.USERPROFILE ?? home);
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
    await use(await windowsUser({ ...machine, registry }, own), registry);
    for (const { sid, home, setAside } of profiles ?? []) {
      if (!setAside || sid !== own.sid || sameFolder(home, own.home)) continue;
      await use(
        await windowsUser({ ...machine, registry }, { home, sid, key: null, loggedOn: false }),
        registry,
      );
    }
    return;
  }
  // One that could not be unloaded at the look before; where it still can't, that is said by the one that follows.
  await machine.registry.unloadLeft();
  const loaded = new Set(((await registry.children('HKEY_USERS')) ?? []).map((sid) => sid.toUpperCase()));
  for (const profile of profiles ?? []) {
    if (stop?.aborted) return;
    await eachOnItsOwn(profile, leaveOut, () => oneUser(profile));
  }
  async function oneUser(profile: Profile): Promise<void> {
    const { sid, home, setAside } = profile;
    if (loaded.has(sid.toUpperCase()) && !setAside) {
      const who = { home, sid, key: `HKEY_USERS\\${sid}`, loggedOn: true };
      await use(await windowsUser({ ...machine, registry }, who), registry);
      return;
    }
    const known = await askHive(machine, profile, each);
    const who = { home, sid, key: null, loggedOn: false };
    await use(known?.user ?? (await windowsUser({ ...machine, registry }, who)), known?.registry ?? registry);
  }
}

/** What fails with one user is said, and keeps nobody else's mail from being found. */
async function eachOnItsOwn(
  { home }: Profile,
  leaveOut: (left: LeftOut) => void,
  search: () => Promise<void>,
): Promise<void> {
  try {
    await search();
  } catch (error) {
    leaveOut({
      path: home,
      why: 'unreadable',
      text: `the search in this profile failed: ${asFailure(error).message}`,
    });
  }
}

const sameFolder = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();

/** A profile that an administrator made mandatory keeps its hive under another name. */
async function hiveOf(home: string, files: FileView): Promise<string> {
  const [usual, mandatory] = ['NTUSER.DAT', 'NTUSER.MAN'].map((name) => win32.join(home, name)) as [
    string,
    string,
  ];
  const isMandatory = (await kindAt(files, usual)) === null && (await kindAt(files, mandatory)) === 'file';
  return isMandatory ? mandatory : usual;
}

/** What the hive of a user who is logged off says, asked while a copy of it is loaded; null where it could not be asked. */
async function askHive(
  machine: WindowsMachine,
  { sid, home }: Profile,
  { leaveOut, ask, stop }: EachUser,
): Promise<{ user: SearchedUser; registry: RegistryView } | null> {
  const hive = await hiveOf(home, machine.files);
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
  const mine = profiles.find((one) => sameFolder(one.home, home));
  const key = mine ? `HKEY_USERS\\${mine.sid}` : 'HKEY_CURRENT_USER';
  return { home, sid: mine?.sid ?? null, key, loggedOn: true };
}

/** The profiles whose folder is there, or can't be looked at; a row without a folder is no profile any more. Null where there is no list. */
async function profileList({ registry, env, files, home: own }: Seen): Promise<Profile[] | null> {
  const keys = await registry.read(PROFILE_LIST);
  if (keys === null) return null;
  const profiles: Profile[] = [];
  for (const key of keys) {
    const sid = key.path.slice(PROFILE_LIST.length + 1);
    const [, account, bak] = PERSON.exec(sid) ?? [];
    const text = textNamed(key, 'ProfileImagePath');
    const place = text === null ? null : expandAll(text, machineVariables(env));
    if (account === undefined || place === null) continue;
    const home = win32.normalize(place);
    // The profile of who runs this is in use, whatever its folder looks like.
    if (!sameFolder(home, own) && (await isGone(home, files))) continue;
    profiles.push({ sid: account, home, setAside: bak !== undefined });
  }
  return profiles;
}

async function isGone(folder: string, files: FileView): Promise<boolean> {
  return files.look(folder).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT' || error.code === 'ENOTDIR',
  );
}

/** The homes of people whose profiles the machine lists; null where there is no list. */
export async function listedHomes(machine: Seen): Promise<readonly string[] | null> {
  return (await profileList(machine))?.map(({ home }) => home) ?? null;
}

/** The machine's own variables. */
const MACHINE_ENVIRONMENT =
  'HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment';

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
  const environment = keyAt(await registry.read(MACHINE_ENVIRONMENT), MACHINE_ENVIRONMENT);
  // What a process of the user itself was given is theirs; a service's is not.
  const given = key !== null && !isLocalSystem(machine) ? Object.entries(env) : [];
  const vista = (await kindAt(files, join(home, 'AppData'))) === 'folder';
  const volatile = `${key}\\Volatile Environment`;
  // What holds for one session stands in a key of its own below, by the session's number.
  const ofLogon = key === null ? [] : ((await registry.read(volatile)) ?? []);
  const variables = new Map([
    ...given.flatMap(([name, value]) => (value === undefined ? [] : [[name.toLowerCase(), value] as const])),
    ...machineVariables(env),
    ...variablesIn(environment),
    ['username', win32.basename(home)] as const,
    ...variablesIn(await read('Environment')),
    ...ofLogon.flatMap((one) => [...variablesIn(one)]),
    ['userprofile', home] as const,
  ]);
  const expand = (text: string) => expandAll(text, variables);
  const shell = await read(SHELL_FOLDERS);
  const lost: LeftOut[] = [];
  const folder = (name: string, usual: string): string => {
    const text = textNamed(shell, name);
    const expanded = text === null ? null : expand(text);
    if (text !== null && expanded === null)
      lost.push(unresolved(text, `the folder "${name}" of ${win32.basename(home)}`));
    return expanded === null ? usual : win32.normalize(expanded);
  };
  const roaming = folder('AppData', join(home, vista ? 'AppData\\Roaming' : 'Application Data'));
  const local = folder(
    'Local AppData',
    join(home, vista ? 'AppData\\Local' : 'Local Settings\\Application Data'),
  );
  variables.set('appdata', roaming).set('localappdata', local);
  const documents = folder('Personal', join(home, vista ? 'Documents' : 'My Documents'));
  return { ...who, name: win32.basename(home), roaming, local, documents, expand, lost };
}
