// Which proxy a request goes through: the setting's, the environment's or the system's. Pure: what they say is handed in.
import { BlockList, isIP } from 'node:net';
import { Failure } from '../../shared/failure.ts';

export interface HttpProxy {
  /** Without credentials. */
  readonly url: URL;
  /** The value of Proxy-Authorization (Basic, RFC 7617): a secret. */
  readonly authorization: string | null;
  /** Who names it, as people know it. */
  readonly from: string;
}

/** The proxy for an address; null: none. A Failure `proxy_failed` where one is named that can't be used. */
export type ProxyRule = (url: URL) => HttpProxy | null;

export const NO_PROXY: ProxyRule = () => null;

/** The address of a proxy; "host:port" stands for "http://host:port". Null where it is none that can be used. */
export function proxyAddress(text: string): URL | null {
  const whole = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(whole)) return null;
  const url = new URL(whole);
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '' ? url : null;
}

/** The proxy that `text` names. */
export function proxyOf(text: string, from: string): HttpProxy {
  const url = proxyAddress(text);
  if (!url)
    throw new Failure(
      'proxy_failed',
      `The proxy that ${from} names can't be used: it is no address of an HTTP proxy (http://host:port).`,
    );
  const { username, password } = url;
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  if (username === '' && password === '') return { url: bare, authorization: null, from };
  const pair = `${decoded(username)}:${decoded(password)}`;
  return { url: bare, authorization: `Basic ${Buffer.from(pair).toString('base64')}`, from };
}

/** A lone % is what it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * HTTPS_PROXY or HTTP_PROXY by the address's scheme, else ALL_PROXY; NO_PROXY names what needs none. Each in lower case first, as curl
 * has it. Null where the environment names no proxy at all.
 */
export function environmentProxy(env: Environment): ProxyRule | null {
  const said = (name: string) => env[name.toLowerCase()]?.trim() || env[name]?.trim() || null;
  if (!['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY'].some((name) => said(name))) return null;
  const isExempt = exempting((said('NO_PROXY') ?? '').split(/[\s,]+/));
  return (url) => {
    if (isExempt(url)) return null;
    const names = [url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY', 'ALL_PROXY'];
    const name = names.find((each) => said(each));
    return name === undefined ? null : proxyOf(said(name)!, name);
  };
}

/**
 * Whether an address needs no proxy. An entry is a host, a domain with all below it (".x.org", "*.x.org" and "x.org" alike), an address or
 * a network ("10.0.0.0/8"), each with ":port" or without, or "*".
 */
export function exempting(entries: readonly string[]): (url: URL) => boolean {
  const rules = entries.filter((entry) => entry !== '').map(exempts);
  return (url) => rules.some((rule) => rule(url));
}

function exempts(entry: string): (url: URL) => boolean {
  if (entry === '*') return () => true;
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]*|.*:.*:.*?))(?::(\d+))?$/.exec(entry) ?? [];
  const name = (bracketed ?? plain ?? entry).toLowerCase().replace(/\.$/, '');
  const isHost = isNetwork(name) ?? isDomain(name);
  return (url) => {
    const own = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
    return (port === undefined || port === own) && isHost(url.hostname.toLowerCase().replace(/^\[|\]$/g, ''));
  };
}

function isDomain(name: string): (host: string) => boolean {
  const domain = name.replace(/^\*?\./, '');
  return (host) => {
    const asked = host.replace(/\.$/, '');
    return asked === domain || asked.endsWith(`.${domain}`);
  };
}

/** Null where `name` is no address and no network. */
function isNetwork(name: string): ((host: string) => boolean) | null {
  const [address = '', length] = name.split('/');
  const family = isIP(address);
  if (family === 0) return null;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const most = family === 4 ? 32 : 128;
  const bits = length === undefined ? most : Number(length);
  if (!Number.isInteger(bits) || bits < 0 || bits > most) return null;
  const list = new BlockList();
  list.addSubnet(address, bits, type);
  return (host) => isIP(host) === family && list.check(host, type);
}
