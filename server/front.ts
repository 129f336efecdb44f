// What lies in front of a server: the path it is reached under, the proxies whose word counts, the web pages that may ask it.
import { BlockList, isIP } from 'node:net';
import { Failure } from '../shared/failure.ts';

export interface Front {
  /** The path that every route is reached under, such as "/mailferry"; empty: none. */
  readonly basePath: string;
  /** Says of an address whether it is a proxy of the operator's. */
  isProxy(address: string): boolean;
  /** Origins whose pages may ask, such as "https://mail.example.org". */
  readonly origins: ReadonlySet<string>;
}

export interface FrontSettings {
  readonly basePath?: string | undefined;
  /** Addresses, or networks such as 10.0.0.0/8. */
  readonly proxies?: readonly string[] | undefined;
  readonly origins?: readonly string[] | undefined;
}

/** Most characters of a path that is put before the routes. */
const MOST_PREFIX = 200;
/** Segments of letters, digits and what is never escaped in a URL (RFC 3986, unreserved); none that leads elsewhere. */
const PREFIX = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/;

/** Whether `text` is a path that routes may lie under: "/a" or "/a/b", without a slash at its end. */
export function isPrefix(text: string): boolean {
  return text.length <= MOST_PREFIX && PREFIX.test(text);
}

/** The front in these settings; a Failure `usage` names the one that is none. */
export function frontOf({ basePath = '', proxies = [], origins = [] }: FrontSettings): Front {
  const path = basePath.replace(/\/+$/, '');
  if (path !== '' && !isPrefix(path))
    throw new Failure('usage', `"${basePath}" is no path such as /mailferry.`);
  return { basePath: path, isProxy: proxyTest(proxies), origins: new Set(origins.map(originIn)) };
}

/** An IPv4 address that came over an IPv6 socket, in the form that it has in settings. */
export function plainAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

function proxyTest(proxies: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const text of proxies) {
    const [address = '', bits, ...more] = text.split('/');
    const family = isIP(address);
    const most = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (family === 0 || more.length > 0 || !(prefix <= most))
      throw new Failure(
        'usage',
        `"${text}" is no address such as 10.0.0.5, and no network such as 10.0.0.0/8.`,
      );
    list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  }
  return (said) => {
    const address = plainAddress(said);
    const family = isIP(address);
    return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
  };
}

function originIn(text: string): string {
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {
    // Told below.
  }
  if (!url || !/^https?:$/.test(url.protocol) || url.origin !== text.replace(/\/$/, '').toLowerCase())
    throw new Failure('usage', `"${text}" is no origin such as https://mail.example.org.`);
  return url.origin;
}
