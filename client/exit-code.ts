// What the process ends with, in one table: the documented exit codes of every command.
import type { FailureCode } from '../shared/failure.ts';

/** Any code not in this list is a failure too. Documented in README.md. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** Some sources were backed up and some were not, something could not be looked into, or was read live as `prefer` allows. */
  partial: 3,
  notEnrolled: 10,
  locked: 11,
  refused: 12,
  /** Everything is queued and goes on by itself. */
  unreachable: 13,
  stopped: 130,
} as const;

const BY_CODE: Partial<Record<FailureCode, number>> = {
  usage: EXIT.usage,
  settings_invalid: EXIT.usage,
  http_refused: EXIT.usage,
  not_enrolled: EXIT.notEnrolled,
  state_locked: EXIT.locked,
  unauthorized: EXIT.refused,
  token_refused: EXIT.refused,
  unreachable: EXIT.unreachable,
  tls_untrusted: EXIT.unreachable,
  tls_failed: EXIT.unreachable,
  answer_refused: EXIT.unreachable,
  server_differs: EXIT.refused,
  proxy_failed: EXIT.unreachable,
  stalled: EXIT.unreachable,
  busy: EXIT.unreachable,
  too_many: EXIT.unreachable,
};

export function exitCode(code: FailureCode): number {
  return BY_CODE[code] ?? EXIT.failed;
}
