// mailferry settings: what holds on this machine, and which place says so.
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { proxyAddress } from '../http/proxy-rule.ts';
import { loadSettings } from '../settings/load-settings.ts';
import { SETTING_NAMES } from '../settings/settings.ts';

export async function showSettings({ machine, terminal }: Context): Promise<number> {
  const { settings, origins } = await loadSettings(machine);
  const shown = SETTING_NAMES.filter((name) => settings[name] !== undefined).map((name) => {
    // A secret is said to be there, no more.
    const value =
      name === 'enrolmentToken' ? '(set)' : name === 'proxy' ? shownProxy(settings[name]) : settings[name];
    return { name, value, from: origins[name] };
  });
  const lines = shown.map(
    ({ name, value, from }) => `${name.padEnd(17)} ${JSON.stringify(value)}  (${from})`,
  );
  terminal.result(lines.join('\n'), { settings: shown });
  return EXIT.ok;
}

/** A proxy without its password. */
function shownProxy(proxy: string | undefined): string | undefined {
  const url = proxy === undefined || proxy === 'none' ? null : proxyAddress(proxy);
  if (url === null || (url.username === '' && url.password === '')) return proxy;
  return `${url.protocol}//(set)@${url.host}`;
}
