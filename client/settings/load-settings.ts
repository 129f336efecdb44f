// Settings of this machine: reads the places that there are, and resolves them.
import type { Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname, posix, win32 } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import type { Machine } from '../cli.ts';
import { registryOf } from '../registry/this-registry.ts';
import { withScratch } from '../scratch-folder.ts';
import { DEFAULTS } from './defaults.ts';
import { environmentPlace, POLICY_KEY, policyPlace } from './names.ts';
import type { ResolvedSettings, SettingName, SettingsPlace } from './settings.ts';

type Surroundings = Pick<Machine, 'env' | 'platform' | 'home'>;

/** Files that may hold settings, the one that wins first. `named`: it was asked for, so it has to be there. */
export function settingsFiles({ env, platform, home }: Surroundings): { path: string; named: boolean }[] {
  if (env.MAILFERRY_SETTINGS) return [{ path: env.MAILFERRY_SETTINGS, named: true }];
  if (platform === 'win32') {
    return [
      { path: win32.join(env.ProgramData ?? 'C:\\ProgramData', 'Mailferry', 'settings.json'), named: false },
    ];
  }
  const own = posix.join(env.XDG_CONFIG_HOME ?? posix.join(home, '.config'), 'mailferry', 'settings.json');
  return [own, '/etc/mailferry/settings.json'].map((path) => ({ path, named: false }));
}

/**
 * Failure `settings_invalid` where somebody else could have written it, or put it there: settings say where mail is sent. `folder`: that
 * it lies in, where others may not rename it either.
 */
function assertNotOthers(path: string, file: Stats, folder: Stats): void {
  const us = process.geteuid?.();
  if (us === undefined) return;
  const isTheirs = ({ uid, mode }: Stats) => (uid !== us && uid !== 0) || (mode & 0o022) !== 0;
  const isSticky = (folder.mode & 0o1000) !== 0 && (folder.uid === us || folder.uid === 0);
  if (!isTheirs(file) && (isSticky || !isTheirs(folder))) return;
  const what = isTheirs(file) ? path : `the folder of ${path}`;
  throw new Failure(
    'settings_invalid',
    `${what} can be written by others than its reader and root, so that nothing in it counts: \`chown\` it, and \`chmod go-w\` it.`,
  );
}

async function filePlace({ path, named }: { path: string; named: boolean }): Promise<SettingsPlace | null> {
  let bytes: Buffer;
  try {
    const file = await open(path, 'r');
    try {
      assertNotOthers(path, await file.stat(), await stat(dirname(path)));
      bytes = await file.readFile();
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    if (!named && (cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Failure('settings_invalid', `${path} can't be read.`, { cause });
  }
  const text = utf8Of(bytes, path);
  try {
    const values: unknown = JSON.parse(text);
    if (typeof values !== 'object' || values === null || Array.isArray(values))
      throw new Error('not an object');
    return { where: path, values: values as Record<string, unknown> };
  } catch (cause) {
    const why = (cause as Error).message.replace(/\s+/g, ' ');
    throw new Failure('settings_invalid', `${path} is not a JSON object: ${why}.`, { cause });
  }
}

/** The text, without its byte order mark. Any other encoding is refused: read as UTF-8 it would name other paths. */
function utf8Of(bytes: Uint8Array, path: string): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    // UTF-16 of ASCII is valid UTF-8 with a NUL after each letter; JSON has none.
    if (!text.includes('\0')) return text;
  } catch {
    // Told below.
  }
  const utf16 = bytes.includes(0) ? ' but UTF-16' : '';
  throw new Failure(
    'settings_invalid',
    `${path} is not UTF-8${utf16}: save it as UTF-8, with or without a byte order mark.`,
  );
}

/** The policy of the machine; a registry that can't be read is a failure, since a policy that is not seen is not kept. */
async function readPolicy({ platform, env }: Surroundings): Promise<SettingsPlace | null> {
  const registry = registryOf(platform, env);
  if (!registry) return null;
  return withScratch(async (scratch) => policyPlace(await registry(scratch).read(POLICY_KEY)));
}

/** Reads every place. `flags`: what the command line says, undefined where it says nothing. Failure `settings_invalid`. */
export async function loadSettings(
  machine: Surroundings,
  flags: Readonly<Record<string, unknown>> = {},
): Promise<ResolvedSettings> {
  const said = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  const files = await Promise.all(settingsFiles(machine).map(filePlace));
  const policy = await readPolicy(machine);
  const others = [policy, environmentPlace(machine.env), ...files].filter(
    (place) => place !== null && Object.keys(place.values).length > 0,
  );
  if (others.length === 0 && Object.keys(said).every((name) => CHECKED_WHERE_READ.has(name)))
    return flagsOverDefaults(said);
  const { resolveSettings } = await import('./settings.ts');
  const places = [policy, { where: COMMAND_LINE, values: said }, environmentPlace(machine.env), ...files];
  const variables = machine.platform === 'win32' ? machine.env : undefined;
  return resolveSettings(
    places.filter((place) => place !== null),
    variables,
  );
}

const COMMAND_LINE = 'the command line';
/** Flags of which the command line itself takes only good values. */
const CHECKED_WHERE_READ: ReadonlySet<string> = new Set([
  'snapshot',
  'caches',
  'search',
] satisfies SettingName[]);

/** What resolveSettings() makes of flags alone, without loading it. */
function flagsOverDefaults(said: Readonly<Record<string, unknown>>): ResolvedSettings {
  const origins: Record<string, string> = {};
  for (const name of Object.keys(DEFAULTS)) origins[name] = name in said ? COMMAND_LINE : 'default';
  return { settings: { ...DEFAULTS, ...said }, origins };
}
