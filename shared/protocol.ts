// Every body on the wire, as both sides parse it. The routes are in routes.ts; the upload protocol itself is tus 1.0.

import { MAX_VERSION_BYTES } from './block.ts';
import type { Receipt } from './receipt.ts';
import * as z from './schema.ts';
import { pathMistake } from './stored-path.ts';

/** Most bytes of a commit's body: hashes of some 250 GiB at once, where scattered runs take next to nothing. */
export const MAX_COMMIT_BYTES = 268_435_456;
/** Most UTF-16 units of a path that is asked for: the longest that earlier servers took. */
const MAX_PATH = 32_767;
/** Most versions, or receipts, on a page of a list: made and sent in a fraction of 100 ms, also on a busy machine. */
export const MAX_PAGE = 500;

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

/** A path of what is stored from now on; what was stored before is found by `path`. */
export const StoredPath = z.string().superRefine((text, context) => {
  const mistake = pathMistake(text);
  if (mistake !== null) context.addIssue({ code: 'custom', message: mistake });
});

/** In lower case only: a version has one id, also where it becomes a name on a disk that takes A for a. */
export const VersionId = z.uuid().lowercase();
export const PackId = hash;
export const ChangeListId = hash;

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

/** What a client asks a server to sign, so that no signature of before answers it: 16 to 64 bytes in hexadecimal. */
export const ServerQuery = z.object({ nonce: z.string().regex(/^(?:[0-9a-f]{2}){16,64}$/) });
/** `signature`: of serverProofText(nonce), in hexadecimal, by the key of the receipts. */
export const ServerProof = z.object({ signature: z.string().regex(/^[0-9a-f]{128}$/) });

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

/**
 * Who may do what with a file, where the system has such rights (POSIX): permission bits without set-user-id and its like, and the
 * numbers of its user and group.
 */
export const FileRights = z.strictObject({
  mode: z.int().min(0).max(0o777),
  uid: z.int().min(0).max(0xffff_fffe),
  gid: z.int().min(0).max(0xffff_fffe),
});

/** What a version object keeps of a commit: also of those that 0.1 took with longer paths. */
export const CommittedVersion = z.strictObject({
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
  /** Absent: not known. */
  rights: FileRights.optional(),
  health: Health,
  healthNotes: z.array(z.string().max(500)).max(20),
});

/** Exactly one of `changes` and `changeList`. */
export const CommitRequest = CommittedVersion.extend({
  path: StoredPath,
  size: size.max(MAX_VERSION_BYTES),
  /** change-list.ts in base64. */
  changes: z.base64().optional(),
  /** The SHA-256 of a change list that this device sent before, as an upload of kind=change-list. */
  changeList: ChangeListId.optional(),
}).refine(({ changes, changeList }) => (changes === undefined) !== (changeList === undefined), {
  path: ['changes'],
  message: 'a commit has either changes or changeList',
});

const Signed = z.object({ statement: z.string(), signature: z.string() }) satisfies z.ZodType<Receipt>;

export const VersionSummary = z.object({
  id: VersionId,
  /** Its place in the order of the device's receipts: of two versions of a path the higher is the newer, whatever a clock says. */
  sequence: z.int().min(1),
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
  /** Absent: not known. */
  rights: FileRights.optional(),
  health: Health,
  healthNotes: z.array(z.string()),
  /**
   * Coarse blocks that the server has lost; absent: none. In the fingerprint their hashes are zero, so that a device that takes it
   * for its base sends them again.
   */
  damaged: z.int().min(1).optional(),
  receipt: Signed,
});

/** Where the next page goes on; absent: this was the last. A page may have room for more and still not be the last. */
const next = z.string().max(100).optional();
export const VersionList = z.object({ versions: z.array(VersionSummary), next });
export const ReceiptList = z.object({ receipts: z.array(Signed), next });

/** Above MAX_PAGE it is a page all the same: devices of 0.1 ask for 10,000. */
const limit = z.coerce.number().int().min(1).max(10_000).optional();

export const VersionQuery = z.strictObject({
  path: path.optional(),
  kind: SourceKind.optional(),
  /** Checkpoints too, not only what can be restored. */
  partial: z.enum(['true', 'false']).optional(),
  /** Only versions of which the server has lost something. */
  damaged: z.enum(['true', 'false']).optional(),
  /** Only versions whose receipt was given at this time, by the server's clock, or before. */
  at: instant.optional(),
  /** Of each path the newest complete version alone, in the order of the paths. */
  newest: z.literal('each').optional(),
  /** How the ids begin. */
  id: z
    .string()
    .regex(/^[0-9a-f-]{8,36}$/, 'not the beginning of a version id')
    .optional(),
  /** `next` of the page before. */
  cursor: z.string().max(100).optional(),
  limit,
});

export const ReceiptQuery = z.strictObject({
  /** The sequence after which the list begins. */
  after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  limit,
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

export type FileRights = z.infer<typeof FileRights>;
export type CommittedVersion = z.infer<typeof CommittedVersion>;
export type CommitRequest = z.infer<typeof CommitRequest>;
export type VersionSummary = z.infer<typeof VersionSummary>;
export type EnrolResponse = z.infer<typeof EnrolResponse>;
export type SnapshotKind = z.infer<typeof SnapshotKind>;
export type SourceKind = z.infer<typeof SourceKind>;
export type Health = z.infer<typeof Health>;
export type Problem = z.infer<typeof Problem>;
