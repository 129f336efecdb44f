// Mail and credentials in the clear: http:// is for this machine alone, unless somebody said by name that it is meant. Pure.
import { Failure } from '../../shared/failure.ts';

/** The addresses of this machine itself (RFC 6890, RFC 6761), as URL writes them: 127.1 is 127.0.0.1 there. */
const LOOPBACK =
  /^(?:localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\]|\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\])\.?$/;

/** Whether what goes to `address` can be read, and changed, by whoever is on the way. */
export function isInTheClear(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  return protocol !== 'https:' && !LOOPBACK.test(hostname);
}

/** Failure `http_refused` where `address` is in the clear and nobody said that it is meant. */
export function assertEncrypted(address: string, allowHttp: boolean): void {
  if (allowHttp || !isInTheClear(address)) return;
  throw new Failure(
    'http_refused',
    `${address} is not encrypted: mail and the credential could be read on the way.`,
  );
}

/** The parts of an identity that say whether its address may be used. `allowHttp` is absent where 0.1 enrolled. */
interface Enrolled {
  readonly server: string;
  readonly allowHttp?: boolean;
}

/**
 * Failure `http_refused` where the address of a device came to be in the clear without anybody's word. A device that 0.1 enrolled, when
 * nobody was asked, goes on, since its mail would not be backed up otherwise; it is told by clearTextWarning().
 */
export function assertEnrolledAddress({ server, allowHttp = true }: Enrolled): void {
  assertEncrypted(server, allowHttp);
}

/** What people are told of an address in the clear; null where it is not. */
export function clearTextWarning(address: string): string | null {
  if (!isInTheClear(address)) return null;
  return `${address} is not encrypted: whoever is on the way can read mail and the credential.`;
}
