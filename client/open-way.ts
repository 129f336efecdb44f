// The way out of this machine, as the settings, the environment and the system say.
import type { Context, Machine } from './cli.ts';
import { readCaFile } from './http/ca-file.ts';
import { environmentProxy, NO_PROXY, proxyOf } from './http/proxy-rule.ts';
import type { Way } from './http/way.ts';
import { registryOf } from './registry/this-registry.ts';
import { withScratch } from './scratch-folder.ts';
import type { Settings } from './settings/settings.ts';
import { loadIdentity, ownServerData } from './state/state-directory.ts';
import { PROXY_KEYS, systemProxy } from './windows/system-proxy.ts';

export type WaySettings = Pick<Settings, 'caFile' | 'proxy'>;

export interface WayOptions {
  /** The file of authorities that a device enrolled with: of use where no setting names one. */
  readonly caFile?: string | undefined;
  /** The server is this machine's own, where no proxy leads. */
  readonly isOwn?: boolean;
}

type Here = Pick<Machine, 'surroundings' | 'env' | 'platform'>;

/** Failure `settings_invalid` where a file that the settings name is not what they say. */
export async function openWay(machine: Here, settings: WaySettings, options: WayOptions = {}): Promise<Way> {
  const caFile = settings.caFile ?? options.caFile;
  return {
    caCertificates: caFile === undefined ? [] : await readCaFile(caFile),
    ...(await proxyHere(machine, options.isOwn ? 'none' : settings.proxy)),
    now: machine.surroundings.now,
  };
}

/** The way of the device in `context`. Failures are those of openWay() and loadIdentity(). */
export async function deviceWay({ machine, paths }: Context, settings: WaySettings): Promise<Way> {
  const { caFile } = await loadIdentity(paths);
  return openWay(machine, settings, { caFile, isOwn: ownServerData(paths) !== null });
}

/** The place that wins first: the setting, the environment, the system. */
async function proxyHere(
  { env, platform }: Here,
  setting: string | undefined,
): Promise<Pick<Way, 'proxy' | 'proxyNote'>> {
  if (setting === 'none') return { proxy: NO_PROXY, proxyNote: null };
  if (setting !== undefined) {
    const proxy = proxyOf(setting, 'the setting proxy');
    return { proxy: () => proxy, proxyNote: null };
  }
  const ofEnvironment = environmentProxy(env);
  if (ofEnvironment) return { proxy: ofEnvironment, proxyNote: null };
  const registry = registryOf(platform, env);
  if (!registry) return { proxy: NO_PROXY, proxyNote: null };
  // A key that can't be read names no proxy: where one is needed, the connection tells.
  const found = await withScratch(async (scratch) =>
    Promise.all(
      PROXY_KEYS.map((key) =>
        registry(scratch)
          .read(key)
          .catch(() => null),
      ),
    ),
  );
  const system = systemProxy(found);
  return { proxy: system?.rule ?? NO_PROXY, proxyNote: system?.note ?? null };
}
