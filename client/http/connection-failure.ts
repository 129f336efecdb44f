// Why a request got no answer: each cause as the one sentence that says what to mend.
import type { EventEmitter } from 'node:events';
import type { ClientRequest } from 'node:http';
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { Failure } from '../../shared/failure.ts';
import { type ConnectAnswer, proxyRefusal, proxyUnreachable } from './proxy-failure.ts';
import type { HttpProxy } from './proxy-rule.ts';
import { tlsFailure } from './tls-failure.ts';

/** What the system says where no connection is made, as people say it. */
const CAUSES: Readonly<Record<string, { readonly reason: string; readonly why: string }>> = {
  ENOTFOUND: { reason: 'name', why: 'its name is not known here (DNS)' },
  EAI_AGAIN: { reason: 'name', why: 'its name could not be looked up (DNS does not answer)' },
  ECONNREFUSED: { reason: 'refused', why: 'the connection was refused, nothing listens there' },
  ETIMEDOUT: { reason: 'timeout', why: 'no connection was made in time' },
  EHOSTUNREACH: { reason: 'route', why: 'no way leads to that host' },
  ENETUNREACH: { reason: 'route', why: 'no way leads to that network' },
  ENETDOWN: { reason: 'route', why: 'the network of this machine is down' },
  EHOSTDOWN: { reason: 'route', why: 'that host is down' },
  ECONNRESET: { reason: 'broken', why: 'the connection was reset' },
  EPIPE: { reason: 'broken', why: 'the connection broke' },
};

/** What is wrong with the way to a host, from a system's error: a stable word, and the end of a sentence. */
export function causeOf(error: Error): { readonly reason: string; readonly why: string } {
  const { code = '', message, name } = error as NodeJS.ErrnoException;
  // Of several addresses that were tried (RFC 8305) the first one's error stands for all.
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  if (CAUSES[code] === undefined && first instanceof Error) return causeOf(first);
  return CAUSES[code] ?? { reason: 'other', why: message || name };
}

/** How long a proxy may take until it says that the way is made: ms. It may have to look up a name and to connect. */
const PROXY_MS = 10_000;

export interface Watched {
  readonly url: URL;
  readonly proxy: HttpProxy | null;
  /** See Way. */
  readonly now: (() => number) | null;
}

/** Watches a request that was just made; call the result with what it broke with. */
export function watchConnection(
  outgoing: ClientRequest,
  { url, proxy, now }: Watched,
): (cause: Error) => Failure {
  const { origin } = url;
  let shown: DetailedPeerCertificate | null = null;
  // Until then everything that breaks is between this machine and the proxy.
  let isThrough = proxy === null;
  if (proxy !== null) watchProxy(outgoing, proxy, origin);
  outgoing.once('socket', (socket) => {
    isThrough = true;
    if (!(socket instanceof TLSSocket) || outgoing.reusedSocket) return;
    // Before Node judges the certificates, and lets go of them with the connection where it refuses them.
    socket.prependOnceListener('secure', () => {
      shown = socket.getPeerCertificate(true);
    });
  });
  return (cause) => {
    if (cause instanceof Failure) return cause;
    const time = now?.() ?? null;
    const { reason, why } = causeOf(cause);
    if (proxy !== null && !isThrough) {
      const tls = proxy.url.protocol === 'https:' ? tlsFailure(cause, proxy.url.origin, null, time) : null;
      return tls ?? proxyUnreachable(proxy, why, { cause });
    }
    const tls = url.protocol === 'https:' ? tlsFailure(cause, origin, shown, time) : null;
    if (tls) return tls;
    return new Failure('unreachable', `${origin} can't be reached: ${why}.`, { cause, detail: { reason } });
  };
}

/** Ends a request that its proxy does not take, or leaves without an answer. */
function watchProxy(outgoing: ClientRequest, proxy: HttpProxy, origin: string): void {
  const cause = Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' });
  const late = setTimeout(() => {
    // A request that has no socket yet tells nobody that it was destroyed.
    const failure = proxyUnreachable(proxy, `no answer within ${PROXY_MS / 1000} s`, { cause });
    outgoing.emit('error', failure);
    outgoing.destroy(failure);
  }, PROXY_MS);
  const events: EventEmitter = outgoing;
  for (const end of ['proxyConnect', 'socket', 'close']) events.once(end, () => clearTimeout(late));
  events.once('proxyConnect', (answer: ConnectAnswer) => {
    if (answer.statusCode !== 200) outgoing.destroy(proxyRefusal(proxy, origin, answer));
  });
}
