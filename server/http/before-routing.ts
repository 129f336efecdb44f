// What is settled of a request before its route is looked up: the path it was reached under, the method it stands for, and what every
// answer says.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ROUTES } from '../../shared/routes.ts';
import { type Front, isPrefix } from '../front.ts';
import { answerToPage } from './cross-origin.ts';

const OVERRIDE = 'x-http-method-override';
/** What a request may stand for: the methods that a route has. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * Prepares a request for its route; whether it was answered already, as the question of a browser whether a page may ask. Nothing that
 * this server says of a device is for a cache, and the rest changes from one moment to the next.
 */
export function beforeRouting(front: Front, request: IncomingMessage, response: ServerResponse): boolean {
  response.setHeader('cache-control', 'private, no-store');
  request.url = withoutBase(request.url ?? '/', front.basePath);
  takeOverride(request);
  return answerToPage(front, request, response);
}

/** Whether a header, in lower case, is one that beforeRouting() sets. */
export function isOfEveryAnswer(name: string): boolean {
  return name === 'cache-control' || name === 'vary' || name.startsWith('access-control-');
}

/** What a client has to put before a route that is told to it: by --base-path, or by a proxy that is known. */
export function prefixOf(front: Front, request: IncomingMessage): string {
  const said = request.headers['x-forwarded-prefix'];
  if (typeof said === 'string' && front.isProxy(request.socket.remoteAddress ?? '')) {
    const prefix = said.trim().replace(/\/+$/, '');
    if (isPrefix(prefix)) return prefix;
  }
  return front.basePath;
}

/** A proxy may have taken the base off already. */
function withoutBase(url: string, base: string): string {
  if (base === '' || !url.startsWith(base)) return url;
  const rest = url.slice(base.length);
  if (rest === '') return '/';
  return rest.startsWith('/') ? rest : rest.startsWith('?') ? `/${rest}` : url;
}

/** tus 1.0: where the header is there, it is the method, and the one of the request counts for nothing. */
function takeOverride(request: IncomingMessage): void {
  const said = request.headers[OVERRIDE];
  if (typeof said !== 'string' || !(request.url ?? '').startsWith(ROUTES.uploads)) return;
  const method = said.trim().toUpperCase();
  if (METHODS.has(method)) request.method = method;
}
