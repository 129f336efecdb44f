// What settings are called in the environment and in the policy of the machine, and how their values are written there.
import { delimiter } from 'node:path';
import type { RegKey } from '../registry/reg-file.ts';
import { REG_DWORD, REG_MULTI_SZ } from '../registry/reg-file.ts';
import { keyAt, linesOf, textOf } from '../registry/reg-value.ts';
import type { SettingName, SettingsPlace } from './settings.ts';

/** Kinds of values: how a text is read. */
type Kind = 'text' | 'number' | 'list' | 'yes-no';

export const NAMES: Readonly<
  Record<SettingName, { readonly environment: string; readonly policy: string; readonly kind: Kind }>
> = {
  server: { environment: 'MAILFERRY_SERVER', policy: 'Server', kind: 'text' },
  enrolmentToken: { environment: 'MAILFERRY_TOKEN', policy: 'EnrolmentToken', kind: 'text' },
  allowHttp: { environment: 'MAILFERRY_ALLOW_HTTP', policy: 'AllowHttp', kind: 'yes-no' },
  everyMinutes: { environment: 'MAILFERRY_EVERY_MINUTES', policy: 'EveryMinutes', kind: 'number' },
  minimumMinutes: { environment: 'MAILFERRY_MINIMUM_MINUTES', policy: 'MinimumMinutes', kind: 'number' },
  snapshot: { environment: 'MAILFERRY_SNAPSHOT', policy: 'Snapshot', kind: 'text' },
  stagingMegabytes: {
    environment: 'MAILFERRY_STAGING_MEGABYTES',
    policy: 'StagingMegabytes',
    kind: 'number',
  },
  paths: { environment: 'MAILFERRY_PATHS', policy: 'Paths', kind: 'list' },
  caches: { environment: 'MAILFERRY_CACHES', policy: 'Caches', kind: 'yes-no' },
  search: { environment: 'MAILFERRY_SEARCH', policy: 'Search', kind: 'yes-no' },
  exclude: { environment: 'MAILFERRY_EXCLUDE', policy: 'Exclude', kind: 'list' },
  protectedDays: { environment: 'MAILFERRY_PROTECTED_DAYS', policy: 'ProtectedDays', kind: 'number' },
  goneDays: { environment: 'MAILFERRY_GONE_DAYS', policy: 'GoneDays', kind: 'number' },
  networkStores: { environment: 'MAILFERRY_NETWORK_STORES', policy: 'NetworkStores', kind: 'text' },
  caFile: { environment: 'MAILFERRY_CA_FILE', policy: 'CaFile', kind: 'text' },
  proxy: { environment: 'MAILFERRY_PROXY', policy: 'Proxy', kind: 'text' },
};

/** Where Group Policy writes: below it only administrators can. */
export const POLICY_KEY = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Mailferry';

/** What the environment says; lists are parted as PATH is. What can't be read is handed on as it is, to be refused by name. */
export function environmentPlace(env: Readonly<Record<string, string | undefined>>): SettingsPlace {
  const values: Record<string, unknown> = {};
  for (const [name, { environment, kind }] of Object.entries(NAMES)) {
    const text = env[environment];
    if (text !== undefined && text !== '') values[name] = read(text, kind);
  }
  return { where: 'the environment', values };
}

function read(text: string, kind: Kind): unknown {
  if (kind === 'number') return /^\d+$/.test(text) ? Number(text) : text;
  if (kind === 'list') return text.split(delimiter).filter((path) => path !== '');
  if (kind === 'yes-no')
    return { true: true, '1': true, false: false, '0': false }[text.toLowerCase()] ?? text;
  return text;
}

/** What the policy says: `keys` as read from POLICY_KEY, null where there is none. Other values there are not ours to judge. */
export function policyPlace(keys: readonly RegKey[] | null): SettingsPlace {
  const key = keyAt(keys, POLICY_KEY);
  const values: Record<string, unknown> = {};
  for (const [name, { policy, kind }] of Object.entries(NAMES)) {
    const value = key?.values.find((each) => each.name.toLowerCase() === policy.toLowerCase());
    if (!value) continue;
    if (value.type === REG_DWORD) {
      const number = Buffer.from(value.data).readUInt32LE();
      values[name] = kind === 'yes-no' && number < 2 ? number === 1 : number;
    } else if (value.type === REG_MULTI_SZ) values[name] = linesOf(value);
    else values[name] = read(textOf(value) ?? '', kind);
  }
  return { where: POLICY_KEY, values };
}
