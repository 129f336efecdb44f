// How requests leave this machine: which certificates are trusted beside those of Node and of the system.

export interface Way {
  /** Certificates of the setting `caFile`, PEM. */
  readonly caCertificates: readonly string[];
  /** Milliseconds since 1970: what a certificate's days are compared with in a failure; null where nobody tells. */
  readonly now: (() => number) | null;
}

/** No setting says anything. */
export const PLAIN_WAY: Way = { caCertificates: [], now: null };
