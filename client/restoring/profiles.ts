// Restore of MAPI profiles: what an export would change here, and taking it in after what is here now was exported.
import { Failure } from '../../shared/failure.ts';
import { aboveProfiles, addDefaultProfile, DEFAULT_PROFILE } from '../registry/default-profile.ts';
import { encodeRegFile, REG_SZ, type RegKey } from '../registry/reg-file.ts';
import { isWithin, keyAt, textNamed } from '../registry/reg-value.ts';
import type { Registry } from '../registry/registry.ts';

export interface ProfileChange {
  readonly profile: string;
  readonly change: 'added' | 'replaced' | 'same';
}

export interface ProfilePlan {
  /** The key of profiles on this machine. */
  readonly root: string;
  readonly changes: readonly ProfileChange[];
  /** What is imported: keys of this machine's user, old ones of a replaced profile removed first. A secret. */
  readonly keys: readonly RegKey[];
  /** Which profile Outlook opens from then on; null: it is left as it is. */
  readonly defaultProfile: string | null;
}

/** The keys of an export as keys of another user: `to` is that user's part of the registry. */
export function asUserOf(keys: readonly RegKey[], to: string): RegKey[] {
  return keys.map((key) => {
    const rest = /^(?:HKEY_CURRENT_USER|HKEY_USERS\\[^\\]+)(\\.*)$/.exec(key.path)?.[1];
    if (rest === undefined) throw new Failure('target_refused', `${key.path} is no key of a user.`);
    return { ...key, path: to + rest };
  });
}

/** The keys that hold profiles: the one of Outlook 2003 to 2010, and that of each version since. */
const PROFILES =
  /^(?:HKEY_CURRENT_USER|HKEY_USERS\\[^\\]+)\\Software\\Microsoft\\(?:Windows NT\\CurrentVersion\\Windows Messaging Subsystem|Office\\\d+\.0\\Outlook)\\Profiles$/i;

/**
 * The key that holds the profiles, out of the path of its source, as a key of another user. Failure `target_refused` for any other
 * key: the path is the server's word.
 */
export function profilesRoot(sourcePath: string, to: string): string {
  if (!PROFILES.test(sourcePath))
    throw new Failure('target_refused', `${sourcePath} is no key that holds profiles of Outlook.`);
  return asUserOf([{ path: sourcePath, values: [] }], to)[0]!.path;
}

/** What names can't hold: an import takes what follows a line break for a line of its own. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f]/;

/**
 * The default profile that an export names beside its profiles; null: none. Failure `target_refused` where an import would reach
 * anything else outside of `root`, or remove anything.
 */
function assertWithin(exported: readonly RegKey[], root: string): RegKey | null {
  let chosen: RegKey | null = null;
  for (const key of exported) {
    const named = [key.path, ...key.values.map(({ name }) => name)];
    const isPlain = !key.removed && !named.some((name) => CONTROL.test(name)) && !/\\(?:\\|$)/.test(key.path);
    if (isPlain && isWithin(key.path, root)) continue;
    if (!isPlain || chosen !== null || !isDefaultProfile(key, root))
      throw new Failure('target_refused', `The export is not only of ${root}: it would change ${key.path}.`);
    chosen = key;
  }
  return chosen;
}

/** Since 2013 its name stands in the key above the profiles (default-profile.ts puts it into an export). */
function isDefaultProfile({ path, values }: RegKey, root: string): boolean {
  const [value, ...more] = values;
  return (
    path.toLowerCase() === aboveProfiles(root)?.toLowerCase() &&
    more.length === 0 &&
    value?.name.toLowerCase() === DEFAULT_PROFILE.toLowerCase() &&
    value.type === REG_SZ
  );
}

/**
 * What taking `exported` in changes. Each of its profiles becomes what it was; profiles that only this machine has stay. Changes
 * nothing. Only names are told: values may be passwords. `present`: the key of profiles as it is now, null: there is none.
 * Failure `target_refused` where it would change anything but profiles.
 */
export function planProfiles(
  exported: readonly RegKey[],
  present: readonly RegKey[] | null,
  root: string,
): ProfilePlan {
  const chosen = assertWithin(exported, root);
  const changes: ProfileChange[] = [];
  const keys: RegKey[] = [];
  const below = (all: readonly RegKey[], at: string) => all.filter((key) => isWithin(key.path, at));
  const names = new Set<string>();
  for (const key of exported) {
    if (isWithin(key.path, root) && key.path.length > root.length)
      names.add(key.path.slice(root.length + 1).split('\\')[0]!);
  }
  for (const profile of names) {
    const at = `${root}\\${profile}`;
    const [then, now] = [below(exported, at), below(present ?? [], at)];
    const change = now.length === 0 ? 'added' : sameKeys(then, now) ? 'same' : 'replaced';
    changes.push({ profile, change });
    if (change === 'same') continue;
    if (change === 'replaced') keys.push({ path: at, values: [], removed: true });
    keys.push(...then);
  }
  if (keys.length === 0) return { root, changes, keys, defaultProfile: null };
  const others = exported.filter((key) => key.path.length === root.length);
  if (chosen) others.push(chosen);
  return {
    root,
    changes,
    keys: [...others, ...keys],
    defaultProfile: textNamed(chosen ?? keyAt(others, root), DEFAULT_PROFILE),
  };
}

/** Equal whatever the order, and whatever the case of names. */
function sameKeys(a: readonly RegKey[], b: readonly RegKey[]): boolean {
  const told = (keys: readonly RegKey[]) =>
    keys
      .flatMap(({ path, values }) => [
        path.toLowerCase(),
        ...values.map(({ name, type, data }) =>
          [path, name, type, Buffer.from(data).toString('hex')].join('\0').toLowerCase(),
        ),
      ])
      .sort()
      .join('\n');
  return told(a) === told(b);
}

/**
 * Exports what is there to `keep` (where there is anything), imports the plan from `scratch` (a new file, only its owner's, removed
 * in every case) and compares. Failure `registry_failed`; then what was there is in `keep`.
 */
export async function importProfiles(
  registry: Registry,
  plan: ProfilePlan,
  files: {
    keep: string;
    write: (bytes: Uint8Array) => Promise<string>;
    remove: (file: string) => Promise<void>;
  },
): Promise<{ kept: string | null }> {
  const kept = (await registry.exportTo(plan.root, files.keep)) ? files.keep : null;
  if (kept !== null) await addDefaultProfile(registry, plan.root, kept);
  const file = await files.write(encodeRegFile(plan.keys));
  const hint = kept === null ? '' : `; what was there before is in ${kept}`;
  try {
    await registry.importFrom(file);
  } catch (cause) {
    // A profile that differs is removed by the same import that brings it: half of it may be done.
    throw new Failure('registry_failed', `${plan.root} could not be imported${hint}.`, { cause });
  } finally {
    await files.remove(file);
  }
  const now = await registry.read(plan.root);
  for (const { profile } of plan.changes) {
    const at = `${plan.root}\\${profile}`;
    const wanted = plan.keys.filter((key) => !key.removed && isWithin(key.path, at));
    const there = (now ?? []).filter((key) => isWithin(key.path, at));
    if (wanted.length > 0 && !sameKeys(wanted, there)) {
      throw new Failure('registry_failed', `Profile "${profile}" is not what was imported${hint}.`);
    }
  }
  if (plan.keys.length > 0 && !keyAt(now, plan.root))
    throw new Failure('registry_failed', `${plan.root} is not there after the import.`);
  return { kept };
}
