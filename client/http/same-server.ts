// Which URLs are the enrolled server's own: an answer may name any, and the credential would go there. Pure.
import { Failure } from '../../shared/failure.ts';

/** A separator in disguise: a proxy that unescapes a path walks out of the prefix with it. */
const HIDDEN_SEPARATOR = /%2f|%5c|%00/i;

/**
 * Whether `url` has the origin of `server` and lies below its path. What a person's name, a step up, another scheme, port or host does
 * to a URL is judged as URL reads it, as it would be asked.
 */
export function isOfServer(server: string, url: string): boolean {
  if (!URL.canParse(url)) return false;
  const own = new URL(server);
  const { origin, username, password, pathname } = new URL(url);
  const below = own.pathname.replace(/\/*$/, '/');
  const isBelow = `${pathname}/`.startsWith(below) && !HIDDEN_SEPARATOR.test(pathname);
  return origin === own.origin && origin !== 'null' && username + password === '' && isBelow;
}

/** Failure `answer_refused` where `url` is not the server's own; nothing may be sent to it. */
export function assertOfServer(server: string, url: string): void {
  if (isOfServer(server, url)) return;
  const where = URL.canParse(url) ? new URL(url).origin + new URL(url).pathname : 'an address that is none';
  throw new Failure(
    'answer_refused',
    `${server} sends this device to ${where}, which is not below its own address.`,
  );
}
