// Settings of the device: what they are, how they are checked, and which place wins. Pure: the places are handed in as values.

import { Failure } from '../../shared/failure.ts';
import * as z from '../../shared/schema.ts';
import { proxyAddress } from '../http/proxy-rule.ts';
import { DEFAULTS } from './defaults.ts';
import { expandVariables } from './variables.ts';

const MINUTES_A_DAY = 1_440;
const MOST_DAYS = 3_650;
const address = 'the address of a server (http or https)';
const proxyText = 'the address of an HTTP proxy (http://host:port) or none';

/** Every setting. The names are those of the file; of the environment and the policy see names.ts. */
const shape = {
  /** Where a device that is not enrolled yet enrols. */
  server: z.url({ protocol: /^https?$/, error: `must be ${address}` }),
  /** With `server`: enrols by itself when the agent starts. A secret. */
  enrolmentToken: z.string().min(1, 'must not be empty'),
  /** A server whose address is not encrypted may be enrolled with. */
  allowHttp: z.boolean('must be true or false'),
  everyMinutes: z.int(minutes(1)).min(1, minutes(1)).max(MINUTES_A_DAY, minutes(1)),
  minimumMinutes: z.int(minutes(0)).min(0, minutes(0)).max(MINUTES_A_DAY, minutes(0)),
  snapshot: z.enum(['require', 'prefer', 'never', 'vss', 'btrfs', 'live'], {
    error: 'must be require, prefer, never, vss, btrfs or live',
  }),
  /** 64 MB at least: one pack has to fit. */
  stagingMegabytes: z.int('must be a whole number from 64 on').min(64, 'must be a whole number from 64 on'),
  /** Files and folders to protect instead of what is found. */
  paths: z.array(z.string('must be a list of paths').min(1, 'must not hold an empty path'), {
    error: 'must be a list of paths',
  }),
  /** Copies of what a mail server holds too. */
  caches: z.boolean('must be true or false'),
  /** All fixed volumes are searched for PST files too. */
  search: z.boolean('must be true or false'),
  /** What is left out, wherever it is named or found: exclude.ts. */
  exclude: z.array(z.string('must be a list of patterns').min(1, 'must not hold an empty pattern'), {
    error: 'must be a list of patterns',
  }),
  /** A receipt, or a check that found nothing changed, counts as protection for so long. */
  protectedDays: z.int(days(1)).min(1, days(1)).max(MOST_DAYS, days(1)),
  /** What is not there for so long is gone: told once more, then only listed. */
  goneDays: z.int(days(0)).min(0, days(0)).max(MOST_DAYS, days(0)),
  /** Stores that Outlook opens from a network drive or a share: reported, or read live from there. */
  networkStores: z.enum(['off', 'live'], { error: 'must be off or live' }),
  /** Certificates of authorities (PEM) that are trusted beside those of the system. */
  caFile: z
    .string('must be the absolute path of a file')
    .refine((path) => /^(\/|%|[A-Za-z]:[\\/]|\\\\)/.test(path), 'must be the absolute path of a file'),
  /** The HTTP proxy that requests go through, with its credentials (a secret), or `none`. */
  proxy: z
    .string(`must be ${proxyText}`)
    .refine((text) => text === 'none' || proxyAddress(text) !== null, `must be ${proxyText}`),
};

function days(least: number): string {
  return `must be a whole number of days from ${least} to ${MOST_DAYS}`;
}

function minutes(least: number): string {
  return `must be a whole number of minutes from ${least} to ${MINUTES_A_DAY}`;
}

const Layer = z.strictObject(shape).partial();

export type SettingName = keyof typeof shape;
export const SETTING_NAMES = Object.keys(shape) as SettingName[];

export type Values = { readonly [Name in SettingName]: z.infer<(typeof shape)[Name]> };

export type Settings = Readonly<Partial<Values>> & Pick<Values, keyof typeof DEFAULTS>;

/** One place that says something about settings. `where`: as people know it, such as the file's path. */
export interface SettingsPlace {
  readonly where: string;
  readonly values: Readonly<Record<string, unknown>>;
}

export interface ResolvedSettings {
  readonly settings: Settings;
  /** Where each setting that has a value got it; `default` where no place says anything. */
  readonly origins: Readonly<Partial<Record<SettingName, string>>>;
}

/**
 * The settings out of their places, the one that wins first: policy of the machine, command line, environment, files. Every
 * mistake in every place is told at once, in one sentence: a Failure `settings_invalid`. `variables`: on Windows, the environment
 * that %NAMES% in `paths`, `exclude` and `caFile` are expanded from.
 */
export function resolveSettings(
  places: readonly SettingsPlace[],
  variables?: Readonly<Record<string, string | undefined>>,
): ResolvedSettings {
  const settings: Record<string, unknown> = { ...DEFAULTS };
  const origins: Partial<Record<SettingName, string>> = {};
  for (const name of Object.keys(DEFAULTS)) origins[name as SettingName] = 'default';
  const mistakes: string[] = [];
  for (const { where, values } of [...places].reverse()) {
    const parsed = Layer.safeParse(values);
    if (!parsed.success) mistakes.unshift(`${where}: ${parsed.error.issues.map(told).join(', ')}`);
    else
      for (const [name, value] of Object.entries(parsed.data)) {
        const unknown: string[] = [];
        settings[name] =
          variables && Array.isArray(value)
            ? expandAll(name, value, variables, unknown)
            : variables && name === 'caFile'
              ? expandAll(name, [String(value)], variables, unknown)[0]
              : value;
        origins[name as SettingName] = where;
        if (unknown.length > 0) mistakes.unshift(`${where}: ${unknown.join(', ')}`);
      }
  }
  if (mistakes.length > 0)
    throw new Failure('settings_invalid', `Settings are wrong in ${mistakes.join('; ')}.`);
  return { settings: settings as unknown as Settings, origins };
}

/** Each text of the list `name` with its variables expanded; what has no value is added to `mistakes`. */
function expandAll(
  name: string,
  texts: readonly string[],
  variables: Readonly<Record<string, string | undefined>>,
  mistakes: string[],
): string[] {
  return texts.map((text, index) => {
    const expanded = expandVariables(text, variables);
    if ('text' in expanded) return expanded.text;
    mistakes.push(
      `${name}.${index} names ${expanded.unknown}, which has no value for the account Mailferry runs as`,
    );
    return text;
  });
}

function told(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `there is no setting ${key}`).join(', ');
  return `${issue.path.join('.')} ${issue.message}`;
}
