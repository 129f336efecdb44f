// Every route, and what is said beside tus while an upload is on its way. Apart from protocol.ts, whose parsers take time to load.

/** The routes; ids are put in by the functions so that they are always escaped. */
export const ROUTES = {
  devices: '/v1/devices',
  uploads: '/v1/uploads',
  packs: '/v1/packs',
  versions: '/v1/versions',
  /** The questions of `versions` in a body: a path may be longer than a URL can be. Servers of 0.1 have it not. */
  searchVersions: '/v1/versions/search',
  receipts: '/v1/receipts',
  pack: (id: string) => `/v1/packs/${encodeURIComponent(id)}`,
  version: (id: string) => `/v1/versions/${encodeURIComponent(id)}`,
  content: (id: string) => `/v1/versions/${encodeURIComponent(id)}/content`,
  fingerprint: (id: string) => `/v1/versions/${encodeURIComponent(id)}/fingerprint`,
} as const;

/**
 * Interim responses (103, RFC 8297) by which the server says during a PATCH how much of the upload has been written, in
 * the header Upload-Offset: every ACK_BYTES at the latest, on a slow line ACK_MS after a byte that was not told yet, the last byte
 * at once, and then again and again while the pack waits for its check. A client that keeps at most a window unacknowledged sends at
 * most that much again after a cut, and one that waits for a sign of life gets it. A client or proxy that knows nothing of them loses
 * nothing.
 */
export const ACK_BYTES = 262_144;
/** A fourth of the time for which a device bears silence (client/http/http-client.ts). */
export const ACK_MS = 5_000;
/** The request header by which a client asks for them. */
export const ACK_HEADER = 'mailferry-acks';

/**
 * The header of a list of versions that says how many receipts the device was given. Fewer than the device holds: the server was
 * restored from an old copy.
 */
export const RECEIPTS_HEADER = 'mailferry-receipts';

/**
 * The header of every answer to a device that says by their numbers which codecs of pack.ts the server reads, such as "0,1,2". A
 * device writes no other, and for a server that does not say it none but the first two.
 */
export const CODECS_HEADER = 'mailferry-codecs';
