// The rows of the queue: backups on their way to a receipt, and their packs.
import type { Health, SnapshotKind } from '../../shared/protocol.ts';
import type { BackupState } from '../backup/backup-states.ts';
import type { Shape } from '../backup/suspicion.ts';
import type { UploadState } from '../upload/upload-states.ts';

export interface Backup {
  /** The id of the version it becomes. */
  readonly id: string;
  readonly source_id: number;
  readonly state: BackupState;
  /** 1, or 0 for a checkpoint. */
  readonly complete: number;
  readonly base_version: string | null;
  readonly size: number;
  readonly mtime: string;
  readonly taken_at: string;
  readonly snapshot: SnapshotKind;
  /** 1 or 0: whether Outlook ran when it was made; null: not known. */
  readonly outlook_running: number | null;
  /** JSON of FileRights; null: not known. */
  readonly rights: string | null;
  readonly health: Health;
  /** JSON array of sentences. */
  readonly health_notes: string;
  /** What it was when it was read: suspicion.ts; null: not known. */
  readonly shape: Shape | null;
  readonly mark: string | null;
  readonly sha256: string | null;
  readonly root: string | null;
  readonly fingerprint: string | null;
  readonly fingerprint_file: string | null;
  /** row-check.ts; null: the row is older than that. */
  readonly row_check: string | null;
  /** The change list in staging that the commit refers to; null: there is none, or it goes inside the commit. */
  readonly list_id: string | null;
  readonly list_bytes: number | null;
  readonly list_url: string | null;
  readonly attempts: number;
  readonly next_attempt_at: number;
  readonly failure: string | null;
}

export interface QueuedPack {
  readonly backup_id: string;
  readonly number: number;
  readonly id: string;
  readonly state: UploadState;
  readonly bytes: number;
  readonly raw_bytes: number;
  readonly through: number;
  readonly runs: Uint8Array;
  readonly url: string | null;
  /** Bytes that crossed the line for it; 0 where the server held it before. */
  readonly sent: number;
  /** row-check.ts; null: the row is older than that. */
  readonly row_check: string | null;
  readonly attempts: number;
  readonly next_attempt_at: number;
  readonly failure: string | null;
}

/** What sending a pack takes: all of it but what it holds. */
export type WaitingPack = Omit<QueuedPack, 'runs' | 'raw_bytes' | 'through' | 'row_check' | 'sent'>;

export type NewBackup = Omit<
  Backup,
  | 'state'
  | 'complete'
  | 'sha256'
  | 'root'
  | 'fingerprint'
  | 'fingerprint_file'
  | 'row_check'
  | 'list_id'
  | 'list_bytes'
  | 'list_url'
  | 'attempts'
  | 'next_attempt_at'
  | 'failure'
>;
export type NewPack = Pick<
  QueuedPack,
  'backup_id' | 'number' | 'id' | 'bytes' | 'raw_bytes' | 'through' | 'runs'
>;
/** What a backup is known to be once it is read to its end, or cut short. */
export type Sealed = Pick<
  Backup,
  'complete' | 'size' | 'sha256' | 'root' | 'fingerprint' | 'fingerprint_file'
>;
