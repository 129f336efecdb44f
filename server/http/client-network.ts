// Whom a connection is counted to: an IPv4 address, or the /64 of an IPv6 one, of which every customer has as many as he likes.
import type { IncomingMessage } from 'node:http';
import { isIP, isIPv6 } from 'node:net';
import { type Front, plainAddress } from '../front.ts';

/**
 * Whom a request that came through a proxy is counted to, by X-Forwarded-For: the last address that is no proxy's, since what stands before
 * it anybody may have written. Undefined where it came through none that is known, or none that says.
 */
export function clientBehindProxy(front: Front, request: IncomingMessage): string | undefined {
  if (!front.isProxy(request.socket.remoteAddress ?? '')) return undefined;
  const said = String(request.headers['x-forwarded-for'] ?? '').split(',');
  const address = said.map((text) => text.trim()).findLast((text) => !front.isProxy(text));
  return address !== undefined && isIP(address) !== 0 ? clientNetwork(address) : undefined;
}

/** The name under which `address` is counted. */
export function clientNetwork(address: string): string {
  const plain = plainAddress(address);
  const [bare = ''] = plain.split('%');
  if (!isIPv6(bare)) return plain;
  const [head = '', tail] = bare.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  // An IPv4 address at the end stands for two groups.
  const length = groups.length + rest.length + (bare.includes('.') ? 1 : 0);
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - length }, () => '0');
  const all = [...groups, ...zeros, ...rest].slice(0, 4);
  return `${all.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
