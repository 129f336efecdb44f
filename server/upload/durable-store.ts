// The tus store of one device: refuses before it writes, keeps what arrived before a cut, and calls nothing done unpublished.
import { open, rm, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { FileStore } from '@tus/file-store';
import { ERRORS, Upload } from '@tus/server';
import type { UploadRow, UploadRows } from '../catalogue/upload-rows.ts';
import { codeOf } from '../disk-failure.ts';
import { syncDirectory } from '../durable-file.ts';
import { uploadGone } from '../http/problem.ts';
import { checksumIn, writeCheckedBody } from './checksum.ts';
import type { UploadMetadata, UploadPlan } from './upload-plan.ts';
import { type BodyPlace, writeBody } from './write-body.ts';

export interface DurableStoreOptions {
  readonly directory: string;
  readonly uploads: UploadRows;
  /** Decides, by throwing a Failure, whether an upload may begin: its metadata and the room that is left. */
  admit(metadata: UploadMetadata | undefined, length: number | undefined): Promise<UploadPlan>;
  /** Runs what lets an upload in and records it, alone for this device: what two would take together may be too much. */
  oneAtATime<Result>(work: () => Promise<Result>): Promise<Result>;
  /** The body of the request that holds the lock of an upload, and what tells it to end. */
  bodyOf(id: string): { readonly owner: IncomingMessage; readonly signal: AbortSignal };
  /** Makes a complete upload what it is to become; idempotent, one run at a time for each upload. */
  finish(id: string): Promise<void>;
  /** How long an upload rests before it is forgotten, in milliseconds. */
  readonly lifeMs: number;
  now(): number;
}

/**
 * FileStore with the catalogue as its configstore. An offset is the length of the file, or the whole length once the
 * upload was published. No deferred length. What is finished can't be taken away by anything here.
 */
export class DurableStore extends FileStore {
  readonly #options: DurableStoreOptions;
  /** Writes under way: an offset is only told when the file rests. */
  readonly #writing = new Map<string, Promise<unknown>>();
  /** Who wants to know how far a write is. */
  readonly #watchers = new Map<string, (offset: number) => void>();

  constructor(options: DurableStoreOptions) {
    super({ directory: options.directory, configstore: configstoreOf(options.uploads) });
    this.extensions = ['creation', 'creation-with-upload', 'expiration', 'termination', 'checksum'];
    this.#options = options;
  }

  /** Tells `watcher` each offset written to the upload until the function returned is called. */
  watch(id: string, watcher: (offset: number) => void): () => void {
    this.#watchers.set(id, watcher);
    return () => {
      if (this.#watchers.get(id) === watcher) this.#watchers.delete(id);
    };
  }

  override create(upload: Upload): Promise<Upload> {
    return this.#options.oneAtATime(() => this.#create(upload));
  }

  /** Whether a request is adding to the upload. */
  isWriting(id: string): boolean {
    return this.#writing.has(id);
  }

  async #create(upload: Upload): Promise<Upload> {
    const { uploads, admit, now } = this.#options;
    const metadata = upload.metadata ?? {};
    const plan = await admit(metadata, upload.size);
    const path = join(this.directory, upload.id);
    // Exclusive: an id, however it came about, never empties a file that is there.
    const file = await open(path, 'wx', 0o600);
    try {
      await file.close();
      await syncDirectory(this.directory);
      const createdAt = new Date(now()).toISOString();
      await uploads.add({ id: upload.id, kind: plan.kind, length: upload.size ?? 0, metadata, createdAt });
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    upload.storage = { type: 'file', path };
    return upload;
  }

  /**
   * Takes the body from the request itself: the stream that the library would hand on is the same bytes after two web streams and
   * three copies. So it is given none (tus-exchange.ts), and what it would see to is seen to here: the length, a break, the signal.
   */
  override async write(_empty: unknown, id: string, offset: number): Promise<number> {
    const { bodyOf, uploads } = this.#options;
    const { owner: body, signal } = bodyOf(id);
    const row = await uploads.get(id);
    if (!row) throw uploadGone();
    const written = (reached: number): void => this.#watchers.get(id)?.(reached);
    const path = join(this.directory, id);
    const place: BodyPlace = { path, offset, end: row.length, signal, written };
    const checksum = checksumIn(String(body.headers['upload-checksum'] ?? ''));
    const writing = checksum ? writeCheckedBody(body, place, checksum) : writeBody(body, place);
    const settled = writing.catch(() => undefined);
    this.#writing.set(id, settled);
    try {
      return await writing;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      // Published: there is nothing to add to it, and an empty PATCH adds nothing.
      const row = await this.#options.uploads.get(id);
      if (row?.finished && offset === row.length) return offset;
      throw uploadGone();
    } finally {
      if (this.#writing.get(id) === settled) this.#writing.delete(id);
    }
  }

  override async getUpload(id: string): Promise<Upload> {
    await this.#writing.get(id);
    const row = await this.#options.uploads.get(id);
    if (!row) throw uploadGone();
    if (row.finished) return uploadOf(row, row.length);
    const written = await this.#lengthOfFile(id);
    if (written !== undefined && written < row.length) return uploadOf(row, written);
    // All there, or moved already, and not recorded: another request is just at it, or a crash came between.
    await this.#options.finish(id);
    return uploadOf(row, row.length);
  }

  async #lengthOfFile(id: string): Promise<number | undefined> {
    try {
      return (await stat(join(this.directory, id))).size;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** When an upload that is not finished will be forgotten, if nothing is added to it, in ms since 1970; undefined: never. */
  async expiresAt(id: string): Promise<number | undefined> {
    const { uploads, lifeMs } = this.#options;
    const row = await uploads.get(id);
    if (!row || row.finished) return undefined;
    const { mtimeMs } = await stat(join(this.directory, id)).catch(() => ({ mtimeMs: undefined }));
    return mtimeMs === undefined ? undefined : mtimeMs + lifeMs;
  }

  /** Forgets an upload that is not finished, and nothing else: what is published stays. Under its lock. */
  override async remove(id: string): Promise<void> {
    const { uploads, oneAtATime } = this.#options;
    await oneAtATime(async () => {
      const row = await uploads.get(id);
      if (!row) throw uploadGone();
      if (row.finished) throw ERRORS.INVALID_TERMINATION;
      await uploads.remove(id);
      await rm(join(this.directory, id), { force: true });
    });
  }

  override async declareUploadLength(): Promise<never> {
    throw ERRORS.UNSUPPORTED_CREATION_DEFER_LENGTH_EXTENSION;
  }

  override async deleteExpired(): Promise<number> {
    return 0;
  }
}

function uploadOf(row: UploadRow, offset: number): Upload {
  return new Upload({
    id: row.id,
    size: row.length,
    offset,
    metadata: { ...row.metadata },
    creation_date: row.createdAt,
  });
}

/** FileStore's view of the rows. It reads through it; rows are made in `create` and go with a refused pack. */
function configstoreOf(uploads: UploadRows): FileStore['configstore'] {
  return {
    get: async (id) => {
      const row = await uploads.get(id);
      return row && uploadOf(row, row.finished ? row.length : 0);
    },
    set: async () => undefined,
    delete: (id) => uploads.remove(id),
    list: async () => (await uploads.unfinished()).map((row) => row.id),
  };
}
