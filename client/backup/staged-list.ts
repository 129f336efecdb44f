// A change list that is too long to go inside its commit: a file in staging, sent as an upload of its own and resumed like a pack.
import { createHash } from 'node:crypto';
import type { Device } from '../device.ts';
import { deviceFailure } from '../device-failure.ts';
import { writeDurably } from '../durable-file.ts';
import type { Backup } from '../state/queue-rows.ts';
import { fileDigest } from '../upload/staged-digest.ts';
import { uploadPack } from '../upload/upload-pack.ts';

/** A change list in staging. */
interface StagedList {
  /** SHA-256 of its bytes. */
  readonly id: string;
  readonly bytes: number;
}

export interface ListSending {
  readonly signal: AbortSignal;
  /** Told how many bytes of the list the server has. */
  readonly onListWritten: (offset: number) => void;
}

/** The change list of a backup that an earlier attempt put into staging, where it is still what it was; null: there is none. */
export async function listInStaging({ staging }: Device, backup: Backup): Promise<StagedList | null> {
  const { id, list_id: list, list_bytes: bytes } = backup;
  if (list === null || bytes === null) return null;
  return (await fileDigest(staging.listPath(id))) === list ? { id: list, bytes } : null;
}

/** Puts a change list into staging, durably: the file first, then the row that names it. */
export async function stageList(
  { staging, queue }: Device,
  backup: Backup,
  list: Uint8Array,
): Promise<StagedList> {
  await staging.begin(backup.id);
  await writeDurably(staging.listPath(backup.id), list);
  const staged = { id: createHash('sha256').update(list).digest('hex'), bytes: list.length };
  queue.keepList(backup.id, staged);
  return staged;
}

/**
 * Sends the rest of a change list; resolves when the server has it, durably. One attempt, as uploadPack has it; what its failure says of
 * the upload or the file is noted in the row, so that the next attempt does the right thing.
 */
export async function sendList(
  device: Device,
  backup: Backup,
  list: StagedList,
  sending: ListSending,
): Promise<void> {
  const { http, queue, server, staging } = device;
  try {
    await uploadPack({
      kind: 'change-list',
      pack: { id: list.id, url: queue.backup(backup.id)?.list_url ?? null },
      file: { path: staging.listPath(backup.id), bytes: list.bytes },
      http,
      server,
      signal: sending.signal,
      onUrl: (url) => queue.keepListUrl(backup.id, url),
      onWritten: sending.onListWritten,
    });
  } catch (error) {
    const failure = deviceFailure(error);
    if (failure.code === 'upload_gone') queue.keepListUrl(backup.id, null);
    if (failure.code === 'change_list_refused' || failure.code === 'pack_damaged')
      queue.keepList(backup.id, null);
    if (failure.code === 'unauthorized' && (await server.renew()))
      return sendList(device, backup, list, sending);
    throw failure;
  }
}
