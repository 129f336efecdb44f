// Why a request got no answer: each cause as the one sentence that says what to mend.
import type { ClientRequest } from 'node:http';
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { Failure } from '../../shared/failure.ts';
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

/** Watches a request that was just made; call the result with what it broke with. `now`: see Way. */
export function watchConnection(
  outgoing: ClientRequest,
  url: URL,
  now: (() => number) | null,
): (cause: Error) => Failure {
  const { origin } = url;
  let shown: DetailedPeerCertificate | null = null;
  outgoing.once('socket', (socket) => {
    if (!(socket instanceof TLSSocket) || outgoing.reusedSocket) return;
    // Before Node judges the certificates, and lets go of them with the connection where it refuses them.
    socket.prependOnceListener('secure', () => {
      shown = socket.getPeerCertificate(true);
    });
  });
  return (cause) => {
    if (cause instanceof Failure) return cause;
    const tls = url.protocol === 'https:' ? tlsFailure(cause, origin, shown, now?.() ?? null) : null;
    if (tls) return tls;
    const { reason, why } = causeOf(cause);
    return new Failure('unreachable', `${origin} can't be reached: ${why}.`, { cause, detail: { reason } });
  };
}
