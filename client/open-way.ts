// The way out of this machine, as the settings say.
import type { Context, Machine } from './cli.ts';
import { readCaFile } from './http/ca-file.ts';
import type { Way } from './http/way.ts';
import type { Settings } from './settings/settings.ts';
import { type Identity, loadIdentity } from './state/state-directory.ts';

export type WaySettings = Pick<Settings, 'caFile'>;

/** `identity`: what a device enrolled with holds where no setting says anything. Failure `settings_invalid` where a file that the settings name is not what they say. */
export async function openWay(
  { surroundings }: Pick<Machine, 'surroundings'>,
  settings: WaySettings,
  identity?: Pick<Identity, 'caFile'>,
): Promise<Way> {
  const caFile = settings.caFile ?? identity?.caFile;
  return {
    caCertificates: caFile === undefined ? [] : await readCaFile(caFile),
    now: surroundings.now,
  };
}

/** The way of the device in `context`. Failures are those of openWay() and loadIdentity(). */
export async function deviceWay({ machine, paths }: Context, settings: WaySettings): Promise<Way> {
  return openWay(machine, settings, await loadIdentity(paths));
}
