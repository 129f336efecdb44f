// Every body on the wire, as both sides parse it. The routes are in routes.ts; the upload protocol itself is tus 1.0.

import type { Receipt } from './receipt.ts';
import * as z from './schema.ts';

/** Most bytes of a commit's body: hashes of some 250 GiB at once, where scattered runs take next to nothing. */
export const MAX_COMMIT_BYTES = 268_435_456;
/** Most UTF-16 units of a path; Windows' own limit is 32,767. */
export const MAX_PATH = 32_767;

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'not a lower-case SHA-256');
const size = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const instant = z.iso.datetime({ offset: true });
/** A path is data: any text without NUL; it never becomes a path of the server. */
const path = z
  .string()
  .min(1)
  .max(MAX_PATH)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what is looked for
  .regex(/^[^\u0000]*$/, 'holds a NUL character');

/** In lower case only: a version has one id, also where it becomes a name on a disk that takes A for a. */
export const VersionId = z.uuid().lowercase();
export const PackId = hash;

export const EnrolRequest = z.strictObject({
  token: z.string().min(1).max(200),
  name: z.string().min(1).max(200),
  /** The device that asks for a new credential; absent: a machine that is no device yet. */
  device: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
});
export const EnrolResponse = z.object({
  device: z.string(),
  credential: z.string(),
  /** The server's Ed25519 public key (SPKI, PEM): receipts are checked against it for ever. */
  receiptKey: z.string(),
  /** Whether the device was enrolled before: its vault is there, and its credential until now opens nothing any more. */
  renewed: z.boolean().optional(),
});

/** How the bytes of a version were come by; export: written out by the registry in one piece. */
export const SnapshotKind = z.enum(['vss', 'btrfs', 'live', 'export', 'upload']);
/** What a source is, which decides how it is read and restored; `nk2` is one of Outlook's settings, `file` any other file. */
export const SourceKind = z.enum([
  'pst',
  'ost',
  'nk2',
  'outlook-settings',
  'mapi-profiles',
  'mail-client',
  'file',
]);
export const Health = z.enum(['clean', 'needs-repair', 'not-a-store']);

export const CommitRequest = z.strictObject({
  path,
  kind: SourceKind,
  /** The version that the changes are laid over; null: nothing. */
  base: VersionId.nullable(),
  /** False for a checkpoint of a source that could not be read to its end. */
  complete: z.boolean(),
  size,
  mtime: instant,
  takenAt: instant,
  sha256: hash.nullable(),
  root: hash,
  snapshot: SnapshotKind,
  /** Whether Outlook ran when its snapshot was made: what it had not written yet is not in it. Absent: not known. */
  outlookRunning: z.boolean().optional(),
  health: Health,
  healthNotes: z.array(z.string().max(500)).max(20),
  /** change-list.ts in base64. */
  changes: z.base64(),
});

export const VersionSummary = z.object({
  id: VersionId,
  path: z.string(),
  kind: SourceKind,
  size,
  mtime: z.string(),
  takenAt: z.string(),
  receivedAt: z.string(),
  sha256: hash.nullable(),
  root: hash,
  complete: z.boolean(),
  snapshot: SnapshotKind,
  /** Whether Outlook ran when its snapshot was made: what it had not written yet is not in it. Absent: not known. */
  outlookRunning: z.boolean().optional(),
  health: Health,
  healthNotes: z.array(z.string()),
  /**
   * Coarse blocks that the server has lost; absent: none. In the fingerprint their hashes are zero, so that a device that takes it
   * for its base sends them again.
   */
  damaged: z.int().min(1).optional(),
  receipt: z.object({ statement: z.string(), signature: z.string() }) satisfies z.ZodType<Receipt>,
});
export const VersionList = z.object({ versions: z.array(VersionSummary) });

export const VersionQuery = z.strictObject({
  path: path.optional(),
  kind: SourceKind.optional(),
  /** Checkpoints too, not only what can be restored. */
  partial: z.enum(['true', 'false']).optional(),
  /** Only versions of which the server has lost something. */
  damaged: z.enum(['true', 'false']).optional(),
  limit: z.coerce.number().int().min(1).max(10_000).optional(),
});

/** problem+json (RFC 9457) with a stable `code`. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  hint: z.string().optional(),
  detail: z.record(z.string(), z.unknown()).optional(),
});

export type CommitRequest = z.infer<typeof CommitRequest>;
export type VersionSummary = z.infer<typeof VersionSummary>;
export type EnrolResponse = z.infer<typeof EnrolResponse>;
export type SnapshotKind = z.infer<typeof SnapshotKind>;
export type SourceKind = z.infer<typeof SourceKind>;
export type Health = z.infer<typeof Health>;
export type Problem = z.infer<typeof Problem>;
