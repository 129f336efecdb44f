// Web pages that may ask this server from another origin (CORS, as the Fetch standard has it): those that the operator names, no other.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CODECS_HEADER, RECEIPTS_HEADER } from '../../shared/routes.ts';
import type { Front } from '../front.ts';

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
/** What tus clients and restores send. */
const ASKED = [
  'Authorization',
  'Content-Type',
  'If-Range',
  'Range',
  'Tus-Resumable',
  'Upload-Checksum',
  'Upload-Length',
  'Upload-Metadata',
  'Upload-Offset',
  'X-HTTP-Method-Override',
  'X-Request-ID',
  'X-Requested-With',
].join(', ');
/** What they read. */
const TOLD = [
  'Accept-Ranges',
  'Content-Disposition',
  'Content-Range',
  'ETag',
  'Location',
  'Retry-After',
  'Tus-Checksum-Algorithm',
  'Tus-Extension',
  'Tus-Max-Size',
  'Tus-Resumable',
  'Tus-Version',
  'Upload-Expires',
  'Upload-Length',
  'Upload-Metadata',
  'Upload-Offset',
  CODECS_HEADER,
  RECEIPTS_HEADER,
].join(', ');
/** Seconds for which a browser need not ask again: two hours, the most that Chromium takes. */
const MAX_AGE = '7200';

/**
 * Lets a page of an origin that was named read the answer; whether this was the answer already: to the question of a browser, which
 * carries no credential, whether the page may ask.
 */
export function answerToPage(
  { origins }: Front,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  if (origins.size === 0) return false;
  response.setHeader('vary', 'Origin');
  const { origin } = request.headers;
  if (origin === undefined || !origins.has(origin)) return false;
  response.setHeader('access-control-allow-origin', origin);
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) {
    response.setHeader('access-control-expose-headers', TOLD);
    return false;
  }
  response.writeHead(204, {
    'access-control-allow-methods': METHODS,
    'access-control-allow-headers': ASKED,
    'access-control-max-age': MAX_AGE,
  });
  response.end();
  return true;
}
