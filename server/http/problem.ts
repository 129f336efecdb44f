// The edge where failures become HTTP: the one table of statuses, and the problem+json (RFC 9457) body of each failure.
import { Failure, type FailureCode } from '../../shared/failure.ts';
import type { Problem } from '../../shared/protocol.ts';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Complete by type: a new failure code does not compile until it has a status here. */
export const STATUS: Record<FailureCode, number> = {
  malformed: 400,
  unauthorized: 401,
  token_refused: 403,
  not_found: 404,
  upload_gone: 404,
  offset_differs: 409,
  packs_missing: 409,
  packs_lost: 503,
  change_list_unknown: 409,
  base_unknown: 409,
  version_conflict: 409,
  blocks_differ: 409,
  root_differs: 409,
  too_large: 413,
  pack_refused: 422,
  change_list_refused: 422,
  busy: 423,
  server_full: 507,
  quota_full: 507,
  too_many: 429,
  pack_damaged: 500,
  internal: 500,
  state_locked: 503,
  // Failures of the device's side: the server has no cause to answer with them.
  receipt_invalid: 500,
  fingerprint_damaged: 500,
  not_enrolled: 500,
  state_unusable: 500,
  state_damaged: 500,
  staging_full: 500,
  unreachable: 500,
  tls_untrusted: 500,
  tls_failed: 500,
  answer_refused: 500,
  server_differs: 500,
  http_refused: 500,
  proxy_failed: 500,
  stalled: 500,
  source_missing: 500,
  source_unreadable: 500,
  source_not_a_file: 500,
  source_silent: 500,
  source_of_another: 500,
  source_cloud_only: 500,
  source_name: 500,
  source_locked: 500,
  source_changed: 500,
  snapshot_unavailable: 500,
  snapshot_denied: 500,
  snapshot_storage: 500,
  snapshot_failed: 500,
  snapshot_lost: 500,
  registry_failed: 500,
  target_refused: 500,
  program_running: 500,
  target_exists: 500,
  target_full: 500,
  target_unwritable: 500,
  set_not_placed: 500,
  restore_differs: 500,
  service_failed: 500,
  settings_invalid: 500,
  stopped: 500,
  usage: 500,
};

/** Seconds that the server asks a device to wait. */
const RETRY_AFTER: Partial<Record<FailureCode, number>> = {
  server_full: 60,
  quota_full: 600,
  too_many: 1,
  busy: 1,
  state_locked: 10,
};

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Problem;
}

/** What is answered for a failure. An `internal` one says nothing about its cause: that is in the log. */
export function problemOf(failure: Failure): Answer {
  const status = STATUS[failure.code];
  const headers: Record<string, string> = {};
  if (failure.code === 'unauthorized') headers['www-authenticate'] = 'Bearer';
  const wait = RETRY_AFTER[failure.code];
  if (wait !== undefined) headers['retry-after'] = String(wait);
  const hidden = failure.code === 'internal';
  const body: Problem = {
    type: `urn:mailferry:problem:${failure.code}`,
    title: hidden ? 'The server failed; its log has the cause.' : failure.message,
    status,
    code: failure.code,
    hint: failure.hint,
    ...(hidden || Object.keys(failure.detail).length === 0 ? {} : { detail: { ...failure.detail } }),
  };
  return { status, headers, body };
}

/** The one answer for what is not there and for what belongs to somebody else. */
export function notFound(): Failure {
  return new Failure('not_found', 'There is nothing of this name for this device.');
}

/** The one answer for an upload that is not there and for one that belongs to another device. */
export function uploadGone(): Failure {
  return new Failure('upload_gone', 'There is no such upload of this device.');
}

/** What the statuses of the upload protocol mean in our words. The status itself stays what tus 1.0 says. */
const TUS_CODES: Readonly<Record<number, FailureCode>> = {
  409: 'offset_differs',
  413: 'too_large',
  431: 'too_large',
};

/** The answer for a refusal of the upload protocol: `status` as tus has it, `text` what was wrong. */
export function problemOfTus(
  status: number,
  text: string,
  detail: Readonly<Record<string, unknown>> = {},
): Answer {
  if (status === 404 || status === 410) return problemOf(uploadGone());
  const code = TUS_CODES[status] ?? (status < 500 || status === 501 ? 'malformed' : 'internal');
  return withStatus(status, problemOf(new Failure(code, text, { detail })));
}

/** The same answer under a status that says more than the one of its code. */
export function withStatus(status: number, answer: Answer): Answer {
  return { ...answer, status, body: { ...answer.body, status } };
}
