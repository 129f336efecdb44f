// The check that rows of the queue carry over all that a commit states of them: a damaged row is never taken for what was read.
import { createHash } from 'node:crypto';
import type { Backup, QueuedPack } from './queue-rows.ts';

/** All that is said of a backup once; what changes on its way, such as its state, is no part of the check. */
export const BACKUP_FIELDS = [
  'id',
  'source_id',
  'base_version',
  'size',
  'mtime',
  'taken_at',
  'snapshot',
  'outlook_running',
  'health',
  'health_notes',
  'complete',
  'sha256',
  'root',
  'fingerprint',
  'fingerprint_file',
  'mark',
] as const satisfies readonly (keyof Backup)[];
export const PACK_FIELDS = [
  'backup_id',
  'number',
  'id',
  'bytes',
  'raw_bytes',
  'through',
  'runs',
] as const satisfies readonly (keyof QueuedPack)[];

/** Hexadecimal digits of a check: 128 bits, far more than damage needs. It is no measure against malice. */
const DIGITS = 32;

export function checkOfBackup(row: Pick<Backup, (typeof BACKUP_FIELDS)[number] | 'rights'>): string {
  const values: unknown[] = BACKUP_FIELDS.map((field) => row[field]);
  // Left out where they are not known, so that rows of before have the check they had.
  return checkOf(row.rights === null ? values : [...values, row.rights]);
}

export function checkOfPack(row: Pick<QueuedPack, (typeof PACK_FIELDS)[number]>): string {
  return checkOf(PACK_FIELDS.map((field) => row[field]));
}

/** Of the values as JSON, bytes in base64: what differs in any of them, or in its type, is another text. */
function checkOf(values: readonly unknown[]): string {
  const text = JSON.stringify(
    values.map((value) =>
      value instanceof Uint8Array ? { bytes: Buffer.from(value).toString('base64') } : value,
    ),
  );
  return createHash('sha256').update(text).digest('hex').slice(0, DIGITS);
}

/** Whether the row of a backup is what was written. One of before there were checks is taken as it is. */
export function isBackupWhole(row: Backup): boolean {
  return row.row_check === null || row.row_check === checkOfBackup(row);
}

/**
 * The place of the first of a backup's packs (in order) whose row is not what was written, or is not there: they are numbered from 0
 * without a gap. null: all are whole.
 */
export function firstDamagedPack(rows: readonly QueuedPack[]): number | null {
  const place = rows.findIndex(
    (row, index) => row.number !== index || (row.row_check !== null && row.row_check !== checkOfPack(row)),
  );
  return place === -1 ? null : place;
}
