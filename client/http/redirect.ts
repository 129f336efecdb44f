// Answers that send a device elsewhere: for good, where its server has moved, or for a while, as networks with a login do. Pure.
import { Failure } from '../../shared/failure.ts';
import { isInTheClear } from './plain-http.ts';

/** 304 says that nothing changed; what else begins with 3 leads elsewhere (RFC 9110 15.4). */
export function isRedirect(status: number): boolean {
  return status >= 300 && status < 400 && status !== 304;
}

/** Moved Permanently and Permanent Redirect (RFC 9110 15.4.2, 15.4.9). */
const FOR_GOOD = new Set([301, 308]);

/**
 * The address that `server` moved to by its answer to `route`: the same route lies there. A Failure `answer_refused` where it is not for
 * good, leads to another route, carries a name and a password, or to where mail and credential could be read when they could not before.
 */
export function movedTo(server: string, route: string, status: number, location: string | undefined): string {
  const refused = (why: string) =>
    new Failure('answer_refused', `${server} sends this device elsewhere: ${why}.`);
  if (location === undefined || !URL.canParse(location, server + route))
    throw refused('to no address at all');
  const { origin, pathname, search, username, password, protocol } = new URL(location, server + route);
  const there = origin + pathname + search;
  if (!FOR_GOOD.has(status)) throw refused(`to ${origin}${pathname}, for a while`);
  if (username + password !== '' || !/^https?:$/.test(protocol) || !there.endsWith(route))
    throw refused(`to ${origin}${pathname}, which is no address of the same server`);
  const to = there.slice(0, -route.length).replace(/\/+$/, '');
  if (isInTheClear(to) && !isInTheClear(server)) throw refused(`to ${to}, which is not encrypted`);
  return to;
}
