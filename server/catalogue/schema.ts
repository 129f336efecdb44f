// The tables of the catalogue as Kysely sees them; migrations.ts makes them. Times are ISO 8601, hashes of secrets blobs.
import type { Generated } from 'kysely';
import type { Health, SnapshotKind, SourceKind } from '../../shared/protocol.ts';

/** An enrolment token. The token itself is shown once and never stored. */
interface TokenTable {
  hash: Uint8Array;
  uses_left: number;
  /** Milliseconds since 1970. */
  expires_at: number;
  /** The device it is good for; null: for new ones. */
  device: string | null;
}

interface DeviceTable {
  id: string;
  name: string;
  /** SHA-256 of the credential. */
  credential: Uint8Array;
  created_at: string;
  /** From then on its credential opens nothing; its vault stays. */
  revoked_at: string | null;
  /** How often packs of it were lost or came back since its versions were last counted; 0: the counts hold. */
  uncounted: Generated<number>;
}

interface KeyTable {
  only_row: number;
  /** SPKI PEM. */
  public_key: string;
}

/** What an upload is to become. */
export type UploadKind = 'pack' | 'file' | 'change-list';

interface UploadTable {
  device: string;
  id: string;
  kind: UploadKind;
  length: number;
  /** As the client sent it, in JSON: a HEAD gives it back. */
  metadata: string;
  created_at: string;
  /** Of a file: the raw pack it becomes, noted just before it does. */
  pack: string | null;
  finished: 0 | 1;
}

/** A change list that came as an upload and that no commit has used yet. */
interface ChangeListTable {
  device: string;
  /** SHA-256 of its bytes. */
  id: string;
  bytes: number;
  received_at: string;
}

/** pack: frames as shared/pack.ts has them. raw: a plain file, whose raw offsets are its own. */
export type PackKind = 'pack' | 'raw';

interface PackTable {
  row: Generated<number>;
  device: string;
  id: string;
  kind: PackKind;
  stored: number;
  raw: number;
  /** 1: its bytes are not there, or were found wrong and moved aside. */
  lost: Generated<0 | 1>;
}

interface PageTable {
  row: number;
  device: string;
  /** page-codec.ts */
  bytes: Uint8Array;
}

interface VersionTable {
  device: string;
  id: string;
  sequence: number;
  path: string;
  kind: SourceKind;
  base: string | null;
  size: number;
  mtime: string;
  taken_at: string;
  received_at: string;
  sha256: string | null;
  root: string;
  complete: 0 | 1;
  snapshot: SnapshotKind;
  /** 1 or 0: whether Outlook ran when its snapshot was made; null: not known. */
  outlook_running: number | null;
  /** JSON of FileRights; null: not known. */
  rights: string | null;
  health: Health;
  health_notes: string;
  /** SHA-256 of the commit as it came: tells a replay from a second use of the id. */
  body_hash: Uint8Array;
  /** page-codec.ts: the rows and roots of its pages. */
  pages: Uint8Array;
  /** Coarse blocks that lie in lost packs. */
  damaged: Generated<number>;
}

interface ReceiptTable {
  device: string;
  sequence: number;
  version: string;
  statement: string;
  signature: string;
}

export interface Schema {
  tokens: TokenTable;
  devices: DeviceTable;
  uploads: UploadTable;
  change_lists: ChangeListTable;
  packs: PackTable;
  map_pages: PageTable;
  versions: VersionTable;
  receipts: ReceiptTable;
  receipt_key: KeyTable;
}
