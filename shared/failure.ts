// The closed list of what can go wrong: a stable code for machines, whether trying again helps, and a hint for people.

/** now: again at once from the beginning of the step. later: after a back-off. never: only a person can mend it. */
export type Retry = 'now' | 'later' | 'never';

interface Kind {
  readonly retry: Retry;
  readonly hint: string;
}

/** Every failure there is. The HTTP status of each is looked up in server/http/problem.ts, the exit code in client/exit-code.ts. */
export const FAILURES = {
  // What was sent or stored is not what it should be.
  malformed: { retry: 'never', hint: 'Send it again as the protocol describes it.' },
  pack_refused: { retry: 'now', hint: 'The pack in staging is damaged; it is made again from the source.' },
  pack_damaged: {
    retry: 'later',
    hint: 'The next backup sends what was lost again; `mailferry versions` tells which versions are whole.',
  },
  blocks_differ: { retry: 'now', hint: 'The blocks named are sent whole with the next backup.' },
  root_differs: { retry: 'now', hint: 'The fingerprint is fetched from the server again.' },
  packs_lost: { retry: 'later', hint: 'The server lost packs just now; it is asked again.' },
  packs_missing: { retry: 'now', hint: 'Send the packs named, then commit again.' },
  change_list_unknown: { retry: 'now', hint: 'Send the change list again, then commit again.' },
  change_list_refused: { retry: 'now', hint: 'The change list is made again, and sent again.' },
  base_unknown: { retry: 'now', hint: 'Fetch the fingerprint of the newest version and back up again.' },
  version_conflict: { retry: 'never', hint: 'A version id stands for one content for ever; use a new one.' },
  receipt_invalid: { retry: 'never', hint: 'Check that this is the server the device was enrolled with.' },
  fingerprint_damaged: { retry: 'now', hint: 'The fingerprint is fetched from the server again.' },
  // Who may do what.
  unauthorized: {
    retry: 'never',
    hint: 'Ask the operator for a token that renews it, then `mailferry enroll --renew`; what is queued is kept.',
  },
  token_refused: { retry: 'never', hint: 'Ask the operator for a new enrolment token.' },
  not_found: { retry: 'never', hint: 'Check the id; a device sees only what is its own.' },
  not_enrolled: { retry: 'never', hint: 'Run `mailferry enroll --server URL --token TOKEN` first.' },
  state_locked: {
    retry: 'later',
    hint: 'Another mailferry uses this state directory; stop it or wait for it.',
  },
  state_unusable: { retry: 'never', hint: 'Check the state directory and its permissions.' },
  state_damaged: { retry: 'now', hint: 'It was put aside, and is made again from what the server holds.' },
  // Limits and room.
  too_large: { retry: 'never', hint: 'Raise the limit on the server or send less.' },
  server_full: { retry: 'later', hint: 'Free space on the server; the upload goes on by itself.' },
  quota_full: { retry: 'later', hint: 'Ask the operator for more room; the upload goes on by itself.' },
  too_many: { retry: 'later', hint: 'It goes on by itself when earlier requests have ended.' },
  staging_full: { retry: 'later', hint: 'Free space on this machine or raise the staging quota.' },
  // The line and the machines on it.
  unreachable: {
    retry: 'later',
    hint: 'Everything waits in the queue and goes on by itself; `mailferry doctor` tries the way step by step.',
  },
  tls_untrusted: {
    retry: 'later',
    hint: 'Mend the certificate on the server, or have this system or the setting `caFile` trust its authority.',
  },
  tls_failed: {
    retry: 'later',
    hint: 'Check the address, and the TLS settings of the server or of the proxy in front of it.',
  },
  answer_refused: {
    retry: 'later',
    hint: 'Check what answers at the address of the server, such as a proxy or a page to log in; nothing was sent elsewhere.',
  },
  server_differs: {
    retry: 'never',
    hint: 'Ask who runs the server for its new address; this device goes on with the server that it enrolled with.',
  },
  http_refused: {
    retry: 'never',
    hint: 'Use an https address, or say --allow-http (the setting allowHttp) where nobody can listen.',
  },
  proxy_failed: {
    retry: 'later',
    hint: 'Correct the proxy where it is named; the setting `proxy` goes before HTTPS_PROXY and the system, and `none` does without.',
  },
  stalled: { retry: 'now', hint: 'The connection was silent; it is opened again.' },
  offset_differs: { retry: 'now', hint: 'Ask for the offset of the upload and go on from there.' },
  upload_gone: { retry: 'now', hint: 'The server forgot this upload; the pack starts over.' },
  busy: { retry: 'later', hint: 'The server asked to wait; it goes on by itself.' },
  internal: { retry: 'later', hint: 'Look into the log of the side that answered.' },
  // The source and its snapshot.
  source_missing: { retry: 'never', hint: 'Check the path; the file may have moved.' },
  source_unreadable: {
    retry: 'later',
    hint: 'Check permissions, or use a snapshot: the file may be locked.',
  },
  source_not_a_file: {
    retry: 'never',
    hint: 'Only regular files are taken; remove it, or put the mail store back in its place.',
  },
  source_cloud_only: {
    retry: 'never',
    hint: 'Have the sync program keep it on this device always; it is never fetched for a backup.',
  },
  source_silent: {
    retry: 'later',
    hint: 'See whether the mount works that it lies on; it is tried again at the next run.',
  },
  source_of_another: {
    retry: 'never',
    hint: 'Have the user who owns it name it by its own path, or a link be made by the administrator.',
  },
  source_name: { retry: 'never', hint: 'Rename it, or move it to a shorter path; then it is taken.' },
  source_locked: { retry: 'later', hint: 'Close the program that uses it, or use a snapshot.' },
  source_changed: {
    retry: 'later',
    hint: 'The file changed while it was read; use a snapshot, or try when it rests.',
  },
  snapshot_unavailable: {
    retry: 'never',
    hint: 'Use `--snapshot live`, or put the file on a volume that can be snapshotted.',
  },
  snapshot_failed: { retry: 'later', hint: 'See the cause; the next run tries again.' },
  snapshot_denied: {
    retry: 'never',
    hint: 'Run Mailferry as the service it installs, or as administrator; `mailferry doctor` says what is missing.',
  },
  snapshot_storage: {
    retry: 'later',
    hint: 'Free space on the volume, or give its shadow copies more room in the system properties.',
  },
  snapshot_lost: { retry: 'now', hint: 'The source is read again from a new snapshot.' },
  service_failed: {
    retry: 'never',
    hint: 'See what it said; installing a service needs an administrator (Windows) or root (Linux).',
  },
  registry_failed: {
    retry: 'later',
    hint: 'Run it as the user whose settings they are, or as an administrator; see the cause.',
  },
  // Restore.
  target_refused: { retry: 'never', hint: 'Name another place with --to.' },
  program_running: { retry: 'later', hint: 'Close the mail program, then run it again.' },
  target_exists: { retry: 'never', hint: 'Choose another name, or say --overwrite.' },
  target_full: {
    retry: 'never',
    hint: 'Free space there and run it again: it goes on where it was. Or name another place with --to.',
  },
  target_unwritable: {
    retry: 'never',
    hint: 'Check that the folder is there and may be written to, or name another place with --to.',
  },
  set_not_placed: {
    retry: 'later',
    hint: 'Close what uses these files, see that there is room, and run it again: nothing is fetched twice.',
  },
  restore_differs: {
    retry: 'never',
    hint: 'Nothing was put in place; run `mailferry verify` and tell the operator.',
  },
  stopped: { retry: 'later', hint: 'Start it again: it goes on where it was.' },
  settings_invalid: {
    retry: 'never',
    hint: 'Correct it; `mailferry settings` shows what holds and where it comes from.',
  },
  usage: { retry: 'never', hint: 'See `mailferry --help`.' },
} as const satisfies Record<string, Kind>;

export type FailureCode = keyof typeof FAILURES;

/** Something that the caller can't go on from. `message` is one sentence: what happened, to which file. */
export class Failure extends Error {
  readonly code: FailureCode;
  /** Small facts for machines, such as the ids of missing packs. No secrets: it is logged and sent. */
  readonly detail: Readonly<Record<string, unknown>>;

  constructor(
    code: FailureCode,
    message: string,
    options: { cause?: unknown; detail?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'Failure';
    this.code = code;
    this.detail = options.detail ?? {};
  }

  get retry(): Retry {
    return FAILURES[this.code].retry;
  }

  get hint(): string {
    return FAILURES[this.code].hint;
  }
}

export function isFailureCode(text: unknown): text is FailureCode {
  return typeof text === 'string' && Object.hasOwn(FAILURES, text);
}

/**
 * The Failure in `error`, or `internal` with it as the cause: nothing is thrown away. One made by another copy of this module counts:
 * the program is bundled with a copy of its own, the server that it loads is not.
 */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof Error && error.name === 'Failure' && 'code' in error && isFailureCode(error.code)) {
    const { code, message, detail } = error as Failure;
    return new Failure(code, message, { cause: error, detail });
  }
  return new Failure('internal', error instanceof Error ? error.message : String(error), { cause: error });
}
