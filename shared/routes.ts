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
  interim: '/v1/interim',
  /** Asked by anybody: the server proves which key it signs receipts with. Servers of 0.1 have it not. */
  server: '/v1/server',
  pack: (id: string) => `/v1/packs/${encodeURIComponent(id)}`,
  version: (id: string) => `/v1/versions/${encodeURIComponent(id)}`,
  content: (id: string) => `/v1/versions/${encodeURIComponent(id)}/content`,
  fingerprint: (id: string) => `/v1/versions/${encodeURIComponent(id)}/fingerprint`,
} as const;

/**
 * The request header by which a client asks for interim responses (103, RFC 8297) to a PATCH, as it does where its way was seen to carry
 * them: a POST to ROUTES.interim is answered with one at the first byte of its body, and behind the last one with 204 and this header.
 * Each says in the header Upload-Offset how much of the upload has been written. At most INTERIM_MOST of them, since clients and proxies
 * in wide use take more than five for an attack: each third of the body, on a slow line what was not told for INTERIM_SLOW_MS, the last
 * byte at once, and every ACK_MS what is left of them while the upload waits for its check.
 */
export const INTERIM_HEADER = 'mailferry-interim';
export const INTERIM_MOST = 4;
/** Less than the time for which a device bears silence (client/http/http-client.ts). */
export const INTERIM_SLOW_MS = 15_000;

/**
 * The same for devices of version 0.1, which ask with ACK_HEADER and send a whole pack in one request: as many as it takes. Every
 * ACK_BYTES at the latest, on a slow line ACK_MS after a byte that was not told yet, the last byte at once, and then again and again
 * while the pack waits for its check.
 */
export const ACK_BYTES = 262_144;
/** A fourth of the time for which a device bears silence (client/http/http-client.ts). */
export const ACK_MS = 5_000;
/** The request header by which a client of version 0.1 asks for them. */
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
