// Restore of MAPI profiles: what an export would change here, and taking it in after what is here now was exported.
import { Failure } from '../../shared/failure.ts';
import { encodeRegFile, type RegKey } from '../registry/reg-file.ts';
import { isWithin, keyAt } from '../registry/reg-value.ts';
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
}

/** The keys of an export as keys of another user: `to` is that user's part of the registry. */
export function asUserOf(keys: readonly RegKey[], to: string): RegKey[] {
  return keys.map((key) => {
    const rest = /^(?:HKEY_CURRENT_USER|HKEY_USERS\\[^\\]+)(\\.*)$/.exec(key.path)?.[1];
    if (rest === undefined) throw new Failure('registry_failed', `${key.path} is no key of a user.`);
    return { ...key, path: to + rest };
  });
}

/** The key that holds the profiles, out of the path of its source, as a key of another user. */
export function profilesRoot(sourcePath: string, to: string): string {
  return asUserOf([{ path: sourcePath, values: [] }], to)[0]!.path;
}

/**
 * What taking `exported` in changes. Each of its profiles becomes what it was; profiles that only this machine has stay. Changes
 * nothing. Only names are told: values may be passwords. `present`: the key of profiles as it is now, null: there is none.
 */
export function planProfiles(
  exported: readonly RegKey[],
  present: readonly RegKey[] | null,
  root: string,
): ProfilePlan {
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
  if (keys.length === 0) return { root, changes, keys };
  // What stands beside the profiles, such as which one is the default.
  const others = exported.filter((key) => !isWithin(key.path, root) || key.path.length === root.length);
  return { root, changes, keys: [...others, ...keys] };
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
  const file = await files.write(encodeRegFile(plan.keys));
  try {
    await registry.importFrom(file);
  } finally {
    await files.remove(file);
  }
  const now = await registry.read(plan.root);
  for (const { profile } of plan.changes) {
    const at = `${plan.root}\\${profile}`;
    const wanted = plan.keys.filter((key) => !key.removed && isWithin(key.path, at));
    const there = (now ?? []).filter((key) => isWithin(key.path, at));
    if (wanted.length > 0 && !sameKeys(wanted, there)) {
      const hint = kept === null ? '' : `; what was there before is in ${kept}`;
      throw new Failure('registry_failed', `Profile "${profile}" is not what was imported${hint}.`);
    }
  }
  if (plan.keys.length > 0 && !keyAt(now, plan.root))
    throw new Failure('registry_failed', `${plan.root} is not there after the import.`);
  return { kept };
}
