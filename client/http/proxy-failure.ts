// What goes wrong at a proxy, told as the proxy's failure and with its host; never with its credentials.
import type { IncomingHttpHeaders } from 'node:http';
import { Failure } from '../../shared/failure.ts';
import { printable } from '../../shared/printable.ts';
import type { HttpProxy } from './proxy-rule.ts';

/** The answer of a proxy to CONNECT, as https-proxy-agent hands it on. */
export interface ConnectAnswer {
  readonly statusCode: number;
  readonly statusText?: string;
  readonly headers: IncomingHttpHeaders;
}

/** A proxy that could not be reached, or broke off; `why`: the end of a sentence. */
export function proxyUnreachable(
  { url, from }: HttpProxy,
  why: string,
  options: { cause?: unknown },
): Failure {
  const message = `The proxy ${url.host} (named by ${from}) can't be reached: ${why}.`;
  return new Failure('proxy_failed', message, { ...options, detail: { proxy: url.host } });
}

/** A proxy that does not lead to `origin`. */
export function proxyRefusal(proxy: HttpProxy, origin: string, answer: ConnectAnswer): Failure {
  const { statusCode: status } = answer;
  const who = `The proxy ${proxy.url.host} (named by ${proxy.from})`;
  const detail = { proxy: proxy.url.host, status };
  if (status !== 407) {
    const means = status === 403 ? 'it forbids the way' : 'it did not lead there';
    const text = printable((answer.statusText ?? '').slice(0, 60)).trim();
    const said = text === '' ? String(status) : `${status} ${text}`;
    return new Failure('proxy_failed', `${who} answered ${said} when asked for ${origin}: ${means}.`, {
      detail,
    });
  }
  const asked = [answer.headers['proxy-authenticate'] ?? []].flat().join(', ');
  const isBasic = asked === '' || /\bbasic\b/i.test(asked);
  const why = !isBasic
    ? `wants ${printable(asked.split(/[\s,]/)[0]!.slice(0, 30))} credentials (407), and only Basic ones can be given`
    : proxy.authorization === null
      ? 'wants a user and a password (407): give them as http://USER:PASSWORD@HOST:PORT'
      : 'does not take the user and password that it was given (407)';
  return new Failure('proxy_failed', `${who} ${why}.`, { detail });
}
