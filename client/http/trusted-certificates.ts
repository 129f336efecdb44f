// Which certificate authorities a TLS connection trusts: Node's own, NODE_EXTRA_CA_CERTS, the system's store and the setting `caFile`.
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/** To read the system's store takes 90 ms: it happens once in a process, and only where a server is asked by https. */
const contexts = new Map<string, SecureContext>();

/**
 * The context of TLS connections that trust `more` (PEM) beside what Node and the system trust. The system's store is that of Windows
 * or macOS, elsewhere the file and folder of OpenSSL, for which SSL_CERT_FILE and SSL_CERT_DIR name others (Node's
 * documentation of tls.getCACertificates).
 */
export function trustedContext(more: readonly string[]): SecureContext {
  const key = more.join('\n');
  const known = contexts.get(key);
  if (known) return known;
  const ca = [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...more])];
  const context = createSecureContext({ ca });
  contexts.set(key, context);
  return context;
}
