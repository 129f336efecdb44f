// What a user's registry says of Outlook: profiles and the stores they open, folders that were set, stores that were indexed.

import type { RegKey } from '../registry/reg-file.ts';
import { isWithin, keyAt, textNamed, textOf } from '../registry/reg-value.ts';
import { type LeftOut, type Search, unresolved } from './finder.ts';

export interface OutlookInRegistry {
  /** Keys that hold profiles, as they can be read now. */
  readonly profileKeys: readonly { readonly key: string; readonly profiles: readonly string[] }[];
  /** Stores that profiles open. */
  readonly stores: readonly {
    readonly path: string;
    readonly kind: 'pst' | 'ost';
    readonly profile: string;
  }[];
  /** Stores that Outlook's search has indexed at some time: they may be long gone. */
  readonly indexed: readonly string[];
  /** Folders that ForcePSTPath and ForceOSTPath name. */
  readonly forced: readonly string[];
  /** What the letters of network drives mean, by the letter with its colon in lower case: `\\server\share`. */
  readonly drives: ReadonlyMap<string, string>;
  /** Names of the signature folder below Microsoft in the roaming folder; it is translated. */
  readonly signatureFolders: readonly string[];
  /** Folders that ForcePSTPath and ForceOSTPath name by variables without a value here. */
  readonly lost: readonly LeftOut[];
}

/** Outlook 2003 to 2010 share this key; from 2013 (15.0) on each version has its own. */
export const SHARED_PROFILES =
  'Software\\Microsoft\\Windows NT\\CurrentVersion\\Windows Messaging Subsystem\\Profiles';
const OFFICE = 'Software\\Microsoft\\Office';
const POLICIES = 'Software\\Policies\\Microsoft\\Office';
/** 2003. Outlook before it had no Unicode stores. */
const OLDEST_VERSION = 11;

/** PidTagPstPath 0x6700 and the path of an OST 0x6610, as type and id: 001f is Unicode, 001e text in the user's code page. */
const STORE_PROPERTIES: Readonly<Record<string, 'pst' | 'ost'>> = {
  '001f6700': 'pst',
  '001e6700': 'pst',
  '001f6610': 'ost',
  '001e6610': 'ost',
};

/** Reads it all. Failure `registry_failed` where a key is there and can't be read. */
export async function outlookInRegistry({
  registry,
  user,
}: Pick<Search, 'registry' | 'user'>): Promise<OutlookInRegistry> {
  const drives = new Map<string, string>();
  const none = {
    profileKeys: [],
    stores: [],
    indexed: [],
    forced: [],
    drives,
    signatureFolders: [],
    lost: [],
  };
  if (!registry || user.key === null) return none;
  const found = {
    profileKeys: [] as { key: string; profiles: string[] }[],
    stores: [] as { path: string; kind: 'pst' | 'ost'; profile: string }[],
    indexed: new Set<string>(),
    forced: new Set<string>(),
    signatureFolders: new Set<string>(),
    lost: [] as LeftOut[],
  };
  const force = (key: RegKey | undefined) => {
    for (const name of ['ForcePSTPath', 'ForceOSTPath']) {
      const text = textNamed(key, name) ?? '';
      const folder = user.expand(text);
      if (folder) found.forced.add(folder);
      if (folder === null) found.lost.push(unresolved(text, name));
    }
  };
  const profilesAt = (keys: readonly RegKey[] | null, key: string) => {
    const profiles = profilesIn(keys ?? [], key);
    if (profiles.size > 0) found.profileKeys.push({ key, profiles: [...profiles.keys()] });
    for (const [profile, inner] of profiles) {
      for (const store of storesIn(inner)) found.stores.push({ ...store, profile });
    }
  };

  const mapped = `${user.key}\\Network`;
  for (const key of (await registry.read(mapped)) ?? []) {
    const remote = textNamed(key, 'RemotePath');
    const letter = key.path.slice(mapped.length + 1).toLowerCase();
    if (remote && /^[a-z]$/.test(letter)) drives.set(`${letter}:`, remote.replace(/\\+$/, ''));
  }
  const shared = `${user.key}\\${SHARED_PROFILES}`;
  profilesAt(await registry.read(shared), shared);
  const versions = (await registry.children(`${user.key}\\${OFFICE}`)) ?? [];
  for (const version of versions.filter((name) => /^\d+\.0$/.test(name) && Number(name) >= OLDEST_VERSION)) {
    const outlook = `${user.key}\\${OFFICE}\\${version}\\Outlook`;
    const keys = await registry.read(outlook);
    profilesAt(keys, `${outlook}\\Profiles`);
    force(keyAt(keys, outlook));
    force(keyAt(keys, `${outlook}\\PST`));
    for (const catalog of [`${outlook}\\Catalog`, `${outlook}\\Search\\Catalog`]) {
      for (const key of keys ?? []) {
        if (!isWithin(key.path, catalog)) continue;
        for (const { name } of key.values) if (/\.[a-z]+$/i.test(name)) found.indexed.add(name);
      }
    }
    const general = `${user.key}\\${OFFICE}\\${version}\\Common\\General`;
    const signatures = textNamed(keyAt(await registry.read(general), general), 'Signatures');
    if (signatures) found.signatureFolders.add(signatures);
  }
  for (const key of (await registry.read(`${user.key}\\${POLICIES}`)) ?? []) {
    if (/\\\d+\.0\\Outlook(\\PST)?$/i.test(key.path)) force(key);
  }
  return {
    profileKeys: found.profileKeys,
    stores: found.stores,
    indexed: [...found.indexed],
    drives,
    forced: [...found.forced],
    signatureFolders: [...found.signatureFolders],
    lost: found.lost,
  };
}

/** The profiles below a key of profiles, by name, with all their keys. */
function profilesIn(keys: readonly RegKey[], root: string): Map<string, RegKey[]> {
  const profiles = new Map<string, RegKey[]>();
  for (const key of keys) {
    if (!isWithin(key.path, root) || key.path.length === root.length) continue;
    const [name = ''] = key.path.slice(root.length + 1).split('\\');
    const inner = profiles.get(name) ?? [];
    inner.push(key);
    profiles.set(name, inner);
  }
  return profiles;
}

function* storesIn(keys: readonly RegKey[]): Generator<{ path: string; kind: 'pst' | 'ost' }> {
  for (const value of keys.flatMap((key) => key.values)) {
    const kind = STORE_PROPERTIES[value.name.toLowerCase()];
    const path = kind && pathOf(value.name, value);
    if (path) yield { path, kind };
  }
}

/** A path out of a property; text in a code page is only taken where it is ASCII, since which page it was is not known. */
function pathOf(name: string, value: RegKey['values'][number]): string | null {
  if (!/^001e/i.test(name)) return textOf(value);
  const text = Buffer.from(value.data).toString('latin1').replace(/\0.*$/s, '');
  return /^[\x20-\x7e]+$/.test(text) ? text : null;
}
