// What an answer with an error status means to the device: the problem in its body, or what its status has to do for.
import { Failure, type FailureCode, isFailureCode } from '../../shared/failure.ts';
import { Problem } from '../../shared/protocol.ts';
import type { HttpResponse } from './http-client.ts';

/** How a status is understood where the answer is not a problem of ours, but that of a proxy or of a network that wants a login. */
const STATUS_CODES: Readonly<Record<number, FailureCode>> = {
  413: 'too_large',
  423: 'busy',
  429: 'busy',
  503: 'busy',
  507: 'server_full',
};

/** The same where the answer is ours but has no body, as every answer to HEAD. */
const OUR_CODES: Readonly<Record<number, FailureCode>> = {
  401: 'unauthorized',
  403: 'unauthorized',
  404: 'not_found',
  410: 'upload_gone',
};

/** Whether an answer with an error status is the server's own. */
export function isOurs(headers: HttpResponse['headers']): boolean {
  return String(headers['content-type']).startsWith('application/problem+json');
}

/**
 * The Failure that an answer with an error status stands for; `detail.retryAfterMs` where the server said how long, `detail.ours` false
 * where it was not the server that answered.
 */
export function failureOf(status: number, headers: HttpResponse['headers'], text: string): Failure {
  const retryAfter = Number(headers['retry-after']);
  const wait = Number.isFinite(retryAfter) && retryAfter >= 0 ? { retryAfterMs: retryAfter * 1000 } : {};
  try {
    const problem = Problem.parse(JSON.parse(text));
    if (isFailureCode(problem.code)) {
      return new Failure(problem.code, problem.title, { detail: { ...problem.detail, ...wait, status } });
    }
  } catch {
    // Not a problem of ours: the status has to do.
  }
  // Whoever answers so is not a server of ours, or not now: nothing is given up for its word.
  const ours = isOurs(headers);
  const code = (ours ? OUR_CODES[status] : undefined) ?? STATUS_CODES[status] ?? 'unreachable';
  const who = ours ? 'The server' : 'Something between here and the server';
  return new Failure(code, `${who} answered ${status}.`, { detail: { ...wait, status, ours } });
}
