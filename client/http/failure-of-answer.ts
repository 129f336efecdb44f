// What an answer with an error status means to the device: the problem in its body, or what its status has to do for.
import { Failure, type FailureCode, isFailureCode } from '../../shared/failure.ts';
import { Problem } from '../../shared/protocol.ts';
import type { HttpResponse } from './http-client.ts';

/** How a status is understood where the answer is not a problem of ours: a proxy's, or tus's own. */
const STATUS_CODES: Readonly<Record<number, FailureCode>> = {
  401: 'unauthorized',
  403: 'unauthorized',
  404: 'not_found',
  410: 'upload_gone',
  413: 'too_large',
  423: 'busy',
  429: 'busy',
  502: 'unreachable',
  503: 'busy',
  504: 'unreachable',
  507: 'server_full',
};

/** The Failure that an answer with an error status stands for; `detail.retryAfterMs` where the server said how long. */
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
  const code = STATUS_CODES[status] ?? 'busy';
  return new Failure(code, `The server answered ${status}.`, { detail: { ...wait, status } });
}
