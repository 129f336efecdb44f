// Why a TLS connection was not made, as a Failure: which certificate, what is wrong with it, and what to do.
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import { Failure } from '../../shared/failure.ts';
import { printable } from '../../shared/printable.ts';

/** What is wrong with a certificate; handed on as `detail.reason`. */
type Reason =
  | 'unknown_issuer'
  | 'self_signed'
  | 'expired'
  | 'not_yet_valid'
  | 'other_host'
  | 'revoked'
  | 'not_valid';

/** The codes of OpenSSL's verification as Node hands them on (documentation of node:tls, "X509 certificate error codes"). */
const REASONS: Readonly<Record<string, Reason>> = {
  UNABLE_TO_GET_ISSUER_CERT: 'unknown_issuer',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown_issuer',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown_issuer',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown_issuer',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self_signed',
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not_yet_valid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'other_host',
  HOSTNAME_MISMATCH: 'other_host',
  CERT_REVOKED: 'revoked',
  CERT_SIGNATURE_FAILURE: 'not_valid',
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: 'not_valid',
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: 'not_valid',
  ERROR_IN_CERT_NOT_BEFORE_FIELD: 'not_valid',
  ERROR_IN_CERT_NOT_AFTER_FIELD: 'not_valid',
  CERT_CHAIN_TOO_LONG: 'not_valid',
  INVALID_CA: 'not_valid',
  INVALID_PURPOSE: 'not_valid',
  PATH_LENGTH_EXCEEDED: 'not_valid',
  CERT_UNTRUSTED: 'not_valid',
  CERT_REJECTED: 'not_valid',
};

/** Longest chain that is looked through: a chain of certificates of a server may name itself as its issuer. */
const MOST_IN_CHAIN = 10;

/**
 * The Failure of a TLS connection to `where` that broke with `cause`; null where it was not TLS that broke. `shown`: the certificates
 * that the other side showed, where it got so far. `now`: ms since 1970, null where it is
 * not known.
 */
export function tlsFailure(
  cause: Error,
  where: string,
  shown: DetailedPeerCertificate | null,
  now: number | null,
): Failure | null {
  const { code = '' } = cause as NodeJS.ErrnoException;
  const known = REASONS[code];
  if (known === undefined) return handshakeFailure(cause, where);
  // One that is also no certificate for a server is refused for that first.
  const isAlone = known === 'not_valid' && shown?.subject && nameOf(shown.subject) === nameOf(shown.issuer);
  const reason = isAlone ? 'self_signed' : known;
  const guilty = guiltyOf(reason, chainOf(shown), now);
  const certificate = guilty === null ? 'its certificate' : `its certificate ${described(guilty)}`;
  const sentence = `${where} can't be trusted: ${certificate} ${WHY[reason]({ guilty, code, where, now, cause })}.`;
  return new Failure('tls_untrusted', sentence, {
    cause,
    detail: {
      reason,
      ...(guilty === null ? {} : { subject: nameOf(guilty.subject), issuer: nameOf(guilty.issuer) }),
    },
  });
}

interface Told {
  readonly guilty: PeerCertificate | null;
  readonly code: string;
  readonly where: string;
  /** ms since 1970. */
  readonly now: number | null;
  readonly cause: Error;
}

const WHY: Readonly<Record<Reason, (told: Told) => string>> = {
  unknown_issuer: ({ code }) =>
    code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
      ? 'is signed by an authority that is not trusted here, or the server does not send the certificate between the two'
      : 'is signed by an authority that is not trusted here',
  self_signed: () => 'is signed by itself and not trusted here',
  expired: ({ guilty, now }) =>
    `expired${guilty ? ` on ${day(guilty.valid_to)}` : ''}${clockSays(now)}: renew it on the server`,
  not_yet_valid: ({ guilty, now }) =>
    `is not valid yet${guilty ? `, but from ${day(guilty.valid_from)} on` : ''}${clockSays(now)}: set the clock that is wrong`,
  other_host: ({ guilty, where }) =>
    `is for ${hostsOf(guilty)}, not for ${new URL(where).hostname}: use that address, or a certificate for this one`,
  revoked: () => 'was revoked by its authority',
  not_valid: ({ cause }) => `is not valid (${plain(cause.message)})`,
};

function clockSays(now: number | null): string {
  return now === null ? '' : ` (the clock of this machine says ${day(now)})`;
}

/** TLS was not agreed upon at all, such as where no TLS is spoken. */
function handshakeFailure(cause: Error, where: string): Failure | null {
  const { code = '' } = cause as NodeJS.ErrnoException;
  if (code !== 'EPROTO' && !code.startsWith('ERR_SSL_') && !code.startsWith('ERR_TLS_')) return null;
  const { message } = cause;
  const noTls = /wrong version number|packet length too long|http request/i.test(message);
  const why = noTls
    ? 'what answers there speaks no TLS (http instead of https, perhaps)'
    : (/SSL routines:[^:]*:([^:\n]+)/.exec(message)?.[1] ?? (plain(message) || code));
  return new Failure('tls_failed', `${where} and this machine can't agree on TLS: ${why}.`, { cause });
}

/** Which certificate of the chain the reason is about; null where none was seen. */
function guiltyOf(
  reason: Reason,
  chain: readonly DetailedPeerCertificate[],
  now: number | null,
): DetailedPeerCertificate | null {
  const [first] = chain;
  if (!first) return null;
  if (reason === 'expired')
    return chain.find(({ valid_to }) => now !== null && Date.parse(valid_to) < now) ?? first;
  if (reason === 'not_yet_valid')
    return chain.find(({ valid_from }) => now !== null && Date.parse(valid_from) > now) ?? first;
  // The last one that names another authority than itself names the authority that is missed.
  if (reason === 'unknown_issuer')
    return chain.findLast(({ subject, issuer }) => nameOf(subject) !== nameOf(issuer)) ?? first;
  return first;
}

function chainOf(shown: DetailedPeerCertificate | null): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  for (let one = shown; one?.subject && chain.length < MOST_IN_CHAIN; one = one.issuerCertificate) {
    chain.push(one);
    if (one.issuerCertificate === one) break;
  }
  return chain;
}

function described({ subject, issuer }: PeerCertificate): string {
  return `"${nameOf(subject)}", issued by "${nameOf(issuer)}",`;
}

/** The name that people know a certificate by. */
function nameOf(name: PeerCertificate['subject']): string {
  const { CN, O, OU } = (name ?? {}) as { CN?: unknown; O?: unknown; OU?: unknown };
  const known = [CN, O, OU].find((part) => part !== undefined);
  return known === undefined ? 'without a name' : plain([known].flat().join(', '));
}

/** At most so many names of a certificate are told. */
const MOST_NAMES = 4;

function hostsOf(certificate: PeerCertificate | null): string {
  const names = (certificate?.subjectaltname ?? '').split(', ').map((name) => name.replace(/^[^:]+:/, ''));
  const known = names.filter((name) => name !== '').map(plain);
  if (known.length === 0) return certificate ? `"${nameOf(certificate.subject)}" alone` : 'other names';
  const more = known.length > MOST_NAMES ? ` and ${known.length - MOST_NAMES} more` : '';
  return known.slice(0, MOST_NAMES).join(', ') + more;
}

/** A day by UTC. */
function day(time: string | number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString().slice(0, 10);
}

/** What the other side says may hold anything: one line of it, and no more than a sentence bears. */
function plain(text: string): string {
  return printable(text)
    .replace(/["\s]+/g, ' ')
    .trim()
    .replace(/\.$/, '')
    .slice(0, 120);
}
