// Doctor: whether what this device sends can be read on the way.
import { FAILURES } from '../../shared/failure.ts';
import { clearTextWarning } from '../http/plain-http.ts';
import type { Identity } from '../state/state-directory.ts';
import type { Finding } from './finding.ts';

/** Null where the address is encrypted, or of this machine; `failed` where no command uses it. */
export function encryptionFinding({
  server,
  allowHttp,
}: Pick<Identity, 'server' | 'allowHttp'>): Finding | null {
  const said = clearTextWarning(server);
  if (said === null) return null;
  if (allowHttp === false)
    return { check: 'encryption', state: 'failed', said, todo: FAILURES.http_refused.hint };
  return {
    check: 'encryption',
    state: 'warning',
    said,
    todo: 'Give the server a certificate and an https address.',
  };
}
