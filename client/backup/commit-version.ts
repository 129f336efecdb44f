// Asks the server for the receipt of a backup whose packs it knows, and records it: only then is anything called backed up.
import { open } from 'node:fs/promises';
import { CoarseHashes, encodeChangeList } from '../../shared/change-list.ts';
import { Failure } from '../../shared/failure.ts';
import { RECORD_BYTES, TAG_BYTES } from '../../shared/fingerprint.ts';
import type { CommittedVersion, FileRights, VersionSummary } from '../../shared/protocol.ts';
import { type Receipt, type ReceiptStatement, readReceipt } from '../../shared/receipt.ts';
import { suspectReason } from '../../shared/suspect.ts';
import type { Device } from '../device.ts';
import { sha256 } from '../fingerprint/block-hashes.ts';
import { assertFitsChain, fillReceiptGap, receiptVerifier } from '../healing/receipts-held.ts';
import { commitBody, commitBodyOf } from '../http/commit-body.ts';
import type { Backup, QueuedPack } from '../state/queue-rows.ts';
import { firstDamagedPack, isBackupWhole } from '../state/row-check.ts';
import { tidyUp } from '../state/staging.ts';
import { decodeRuns, touchedBlocks } from './run-list.ts';
import { DAMAGED_ROWS } from './seal-checkpoint.ts';
import { type ListSending, listInStaging, sendList, stageList } from './staged-list.ts';

interface CommitSending extends ListSending {
  /** Told the bytes that the commit and its change list took on the line. */
  readonly onSent: (bytes: number) => void;
}

/**
 * Sends the change list where it does not go inside the commit, commits, checks the receipt, promotes the fingerprint and frees staging. Failures are the server's, `receipt_invalid`,
 * `fingerprint_damaged`, and `pack_damaged` with `detail.rows` where a row is not what was written.
 */
export async function commitVersion(
  device: Device,
  backup: Backup,
  sending: CommitSending,
): Promise<VersionSummary> {
  const { signal, onSent } = sending;
  const { body, listBytes } = await bodyOf(device, backup, sending);
  const summary = await commit(device, backup, body, signal);
  onSent(body.length + listBytes);
  const statement = checkReceipt(device, backup, summary.receipt);
  await fillReceiptGap(device, statement, signal);
  assertFitsChain(device, summary.receipt, statement);
  const { queue, sources, staging } = device;
  const { base: before, lastGood } = sources.get(backup.source_id);
  queue.atomically(() => {
    queue.keepReceipt(summary.receipt, statement);
    queue.advance(backup.id, 'receipt');
    const { size, root, fingerprint, fingerprint_file: file } = backup;
    const complete = backup.complete === 1;
    const base = { version: backup.id, size, root: root!, complete, fingerprint: fingerprint!, file: file! };
    const receiptAt = complete ? statement.committedAt : null;
    sources.promote(backup.source_id, base, complete ? backup.mark : null, receiptAt);
    if (complete) {
      sources.readFrom(backup.source_id, backup.snapshot);
      const good = { version: backup.id, at: receiptAt, size, shape: backup.shape };
      const suspect = suspectReason(JSON.parse(backup.health_notes));
      sources.judged(backup.source_id, suspect, suspect === null ? good : lastGood);
    }
  });
  // The receipt is kept: what can't be removed now is no failure of the commit.
  await tidyUp(staging, backup.id, before?.file ?? null);
  return summary;
}

/** Where the server does not know the list that the commit names, it is sent anew with the next attempt. */
async function commit(
  { server, queue }: Device,
  backup: Backup,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<VersionSummary> {
  try {
    return await server.commit(backup.id, body, { signal });
  } catch (error) {
    if (error instanceof Failure && error.code === 'change_list_unknown') queue.keepListUrl(backup.id, null);
    throw error;
  }
}

/** The body of the commit, and how many bytes were sent beside it. */
async function bodyOf(
  device: Device,
  backup: Backup,
  sending: ListSending,
): Promise<{ body: Uint8Array; listBytes: number }> {
  const packs = device.queue.packsOf(backup.id);
  // The server can't check all of it, and would sign what it is told.
  if (!isBackupWhole(backup) || firstDamagedPack(packs) !== null)
    throw new Failure('pack_damaged', DAMAGED_ROWS, { detail: { rows: true } });
  const fields = fieldsOf(device, backup);
  let staged = await listInStaging(device, backup);
  if (!staged) {
    const list = await listOf(device, backup, packs);
    if (list.length <= device.inlineListBytes) return { body: commitBody(fields, list), listBytes: 0 };
    staged = await stageList(device, backup, list);
  }
  try {
    await sendList(device, backup, staged, sending);
  } catch (error) {
    // A server of before knows no such upload, but takes every list inside the commit.
    if (!(error instanceof Failure) || error.code !== 'malformed') throw error;
    return { body: commitBody(fields, await listOf(device, backup, packs)), listBytes: 0 };
  }
  return { body: commitBodyOf(fields, staged.id), listBytes: staged.bytes };
}

async function listOf(
  { staging }: Device,
  backup: Backup,
  packs: readonly QueuedPack[],
): Promise<Uint8Array> {
  const runs = packs.flatMap((pack) => decodeRuns(pack.runs, pack.id));
  const coarse = await hashesOf(staging.fingerprintPath(backup.fingerprint_file!), touchedBlocks(runs));
  return encodeChangeList({ runs, coarse }, sha256);
}

function fieldsOf({ sources }: Device, backup: Backup): CommittedVersion {
  const source = sources.get(backup.source_id);
  return {
    path: source.path,
    kind: source.kind,
    base: backup.base_version,
    complete: backup.complete === 1,
    size: backup.size,
    mtime: backup.mtime,
    takenAt: backup.taken_at,
    sha256: backup.sha256,
    root: backup.root!,
    snapshot: backup.snapshot,
    ...(backup.outlook_running === null ? {} : { outlookRunning: backup.outlook_running === 1 }),
    ...(backup.rights === null ? {} : { rights: JSON.parse(backup.rights) as FileRights }),
    health: backup.health,
    healthNotes: JSON.parse(backup.health_notes),
  };
}

/** Records read at a time at most, and how far apart blocks may lie to be read together. */
const SPAN = 256;
const NEAR = 16;

/** The SHA-256 of some coarse blocks out of a fingerprint file. */
async function hashesOf(path: string, indices: readonly number[]): Promise<CoarseHashes> {
  const file = await open(path, 'r').catch((cause) => {
    throw new Failure('fingerprint_damaged', `The fingerprint ${path} can't be opened.`, { cause });
  });
  try {
    const hashes = new Uint8Array(32 * indices.length);
    const records = Buffer.allocUnsafe(SPAN * RECORD_BYTES);
    for (let i = 0; i < indices.length; ) {
      const first = indices[i]!;
      let next = i + 1;
      while (
        next < indices.length &&
        indices[next]! - indices[next - 1]! <= NEAR &&
        indices[next]! - first < SPAN
      )
        next++;
      const length = (indices[next - 1]! - first + 1) * RECORD_BYTES;
      const { bytesRead } = await file.read(records, 0, length, first * RECORD_BYTES);
      if (bytesRead < length)
        throw new Failure('fingerprint_damaged', `The fingerprint ${path} is too short.`);
      for (; i < next; i++) {
        const at = (indices[i]! - first) * RECORD_BYTES + TAG_BYTES;
        hashes.set(records.subarray(at, at + 32), 32 * i);
      }
    }
    return new CoarseHashes(Float64Array.from(indices), hashes);
  } finally {
    await file.close();
  }
}

/** The statement of a receipt that is signed, is of this backup, and follows what this device has seen. */
function checkReceipt(device: Device, backup: Backup, receipt: Receipt): ReceiptStatement {
  const statement = readReceipt(receipt, receiptVerifier(device.identity.receiptKey));
  const wrong =
    statement.device !== device.identity.device ||
    statement.version !== backup.id ||
    statement.path !== device.sources.get(backup.source_id).path ||
    statement.root !== backup.root ||
    statement.size !== backup.size ||
    statement.sha256 !== (backup.sha256 ?? '') ||
    statement.complete !== (backup.complete === 1);
  if (wrong)
    throw new Failure('receipt_invalid', `The server's receipt for ${backup.id} is of something else.`);
  assertFitsChain(device, receipt, statement);
  return statement;
}
