// How requests leave this machine: which certificates are trusted beside those of Node and of the system, and through which proxy.
import { NO_PROXY, type ProxyRule } from './proxy-rule.ts';

export interface Way {
  /** Certificates of the setting `caFile`, PEM. */
  readonly caCertificates: readonly string[];
  readonly proxy: ProxyRule;
  /** What the system says about proxies and is not followed, as the beginning of a sentence; null: nothing. */
  readonly proxyNote: string | null;
  /** Milliseconds since 1970: what a certificate's days are compared with in a failure; null where nobody tells. */
  readonly now: (() => number) | null;
}

/** No setting says anything. */
export const PLAIN_WAY: Way = { caCertificates: [], proxy: NO_PROXY, proxyNote: null, now: null };
