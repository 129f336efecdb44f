// The proxy that Windows names: of the user, of the machine, or of WinHTTP, which services use. Pure: keys are handed in.
import { exempting, type ProxyRule, proxyOf } from '../http/proxy-rule.ts';
import { REG_BINARY, REG_DWORD, type RegKey } from '../registry/reg-file.ts';
import { keyAt, textNamed, valueNamed } from '../registry/reg-value.ts';

const SETTINGS = 'Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings';
/** Where it is looked for, the key that wins first; the user is the one whose account Mailferry runs as. */
export const PROXY_KEYS: readonly string[] = [
  `HKEY_CURRENT_USER\\${SETTINGS}`,
  `HKEY_LOCAL_MACHINE\\${SETTINGS}`,
];

export interface SystemProxy {
  readonly rule: ProxyRule;
  /** What Windows says that can't be followed; null: nothing. */
  readonly note: string | null;
}

/** What the keys at PROXY_KEYS say, each as read from the registry; null where they name no proxy. */
export function systemProxy(read: readonly (readonly RegKey[] | null)[]): SystemProxy | null {
  let note: string | null = null;
  for (const [index, path] of PROXY_KEYS.entries()) {
    const keys = read[index] ?? null;
    const key = keyAt(keys, path);
    const pac = textNamed(key, 'AutoConfigURL');
    if (pac !== null)
      note ??= `Windows names a script for proxies (PAC), ${withoutCredentials(pac)}, which Mailferry does not follow`;
    const enabled = valueNamed(key, 'ProxyEnable');
    const isOn = enabled?.type === REG_DWORD && Buffer.from(enabled.data).readUInt32LE() !== 0;
    const servers = textNamed(key, 'ProxyServer');
    if (isOn && servers !== null)
      return { note, rule: ruleOf(servers, textNamed(key, 'ProxyOverride') ?? '') };
    const winHttp = valueNamed(keyAt(keys, `${path}\\Connections`), 'WinHttpSettings');
    const machine = winHttp?.type === REG_BINARY ? winHttpOf(Buffer.from(winHttp.data)) : null;
    if (machine) return { note, rule: ruleOf(machine.servers, machine.bypass) };
  }
  return note === null ? null : { note, rule: () => null };
}

/** "host:port" for all, or "http=host:port;https=host:port"; the bypass is parted by semicolons, "<local>" are names without a dot. */
function ruleOf(servers: string, bypass: string): ProxyRule {
  const entries = bypass.split(/[;\s]+/);
  const isExempt = exempting(entries.filter((entry) => !entry.startsWith('<')).map(withoutStars));
  const local = entries.some((entry) => entry.toLowerCase() === '<local>');
  const named = new Map(
    servers.split(/[;\s]+/).flatMap((part) => {
      const [scheme, address] = part.includes('=') ? part.split('=', 2) : ['', part];
      return address ? [[scheme!.toLowerCase(), address] as const] : [];
    }),
  );
  return (url) => {
    if (isExempt(url) || isLoopback(url) || (local && !/[.:]/.test(url.hostname))) return null;
    const address = named.get(url.protocol.slice(0, -1)) ?? named.get('');
    return address === undefined ? null : proxyOf(address, 'Windows');
  };
}

/** Windows never asks a proxy for its own machine. */
function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

/** "https://*.x.org" and "10.*" as the entries of NO_PROXY are written. */
function withoutStars(entry: string): string {
  const host = entry.replace(/^[a-z]+:\/\//i, '');
  const network = /^((?:\d+\.){1,3})\*$/.exec(host);
  if (!network) return host;
  const parts = network[1]!.split('.').filter((part) => part !== '');
  return `${[...parts, '0', '0', '0'].slice(0, 4).join('.')}/${parts.length * 8}`;
}

/**
 * What `netsh winhttp set proxy` keeps: three DWORDs (size, counter, flags; bit 1: a proxy), then the length and the letters of the
 * servers, then those of the bypass. As Windows writes it; Microsoft describes it nowhere.
 */
function winHttpOf(data: Buffer): { servers: string; bypass: string } | null {
  if (data.length < 20 || (data.readUInt32LE(8) & 2) === 0) return null;
  const serversEnd = 16 + data.readUInt32LE(12);
  if (serversEnd + 4 > data.length) return null;
  const servers = data.toString('latin1', 16, serversEnd);
  const bypassEnd = serversEnd + 4 + data.readUInt32LE(serversEnd);
  const bypass = bypassEnd > data.length ? '' : data.toString('latin1', serversEnd + 4, bypassEnd);
  return servers === '' ? null : { servers, bypass };
}

function withoutCredentials(text: string): string {
  if (!URL.canParse(text)) return 'of its own';
  const url = new URL(text);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
