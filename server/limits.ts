// Every limit that an operator may set, in one place, with what it is when nobody does.

/** Most bytes of a request's line and headers together; beyond it 431 (http/unparsed.ts). Node's own default, said so that it stays. */
export const MAX_HEADER_BYTES = 16_384;
/**
 * Most bytes of a header Upload-Metadata; beyond it 431. Twice a path of the longest kind (shared/stored-path.ts) in base64, as path and
 * as the file name that stock clients add, and some more.
 */
export const MAX_METADATA_BYTES = 12_288;
/** Most bytes of a body that asks for versions: a path of the longest kind that 0.1 took, in JSON. */
export const MAX_QUERY_BYTES = 131_072;

export interface Limits {
  /** Most bytes that a device's packs, its change lists, its uploads under way and all that its versions take may have on the disk. */
  readonly quotaBytes: number;
  /** Most unfinished uploads of a device. Its oldest idle one makes room for a new one. */
  readonly openUploads: number;
  /** Most requests of a device that are being answered at once. */
  readonly requestsPerDevice: number;
  /** Most connections; beyond them one on which no request is being answered is closed. */
  readonly connections: number;
  /** Most connections from one address other than this machine's own, which is where a proxy connects from. */
  readonly connectionsPerAddress: number;
  /** A connection on which the client moves nothing for so long, in milliseconds, is cut. What an upload had sent stays. */
  readonly stallMs: number;
  /** The same for a request whose body comes slower than this on average over that time, in bytes a second. */
  readonly leastBytesPerSecond: number;
  /** An unfinished upload that nothing was added to, and a change list that no commit used, for so long, in milliseconds, is forgotten. */
  readonly uploadLifeMs: number;
  /** Most bytes of a plain file that a stock tus client may send. */
  readonly fileBytes: number;
}

export const DEFAULT_LIMITS: Limits = {
  quotaBytes: Number.POSITIVE_INFINITY,
  // A device works on four at a time; the others are what earlier attempts left.
  openUploads: 64,
  requestsPerDevice: 64,
  // More than a few thousand devices need at once; a flood ends here and not in the memory.
  connections: 2_000,
  connectionsPerAddress: 250,
  stallMs: 60_000,
  // Below the slowest line that a mail would be sent over; an upload that is cut goes on with its next connection.
  leastBytesPerSecond: 64,
  uploadLifeMs: 14 * 86_400_000,
  // 16 TiB, the largest file of ext4: a limit that only a mistake or an attack meets.
  fileBytes: 17_592_186_044_416,
};
