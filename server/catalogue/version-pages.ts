// Lists of a device's versions and receipts, a page at a time: what a page costs follows what is on it, not how long the history is.
import type { Kysely } from 'kysely';
import { Failure } from '../../shared/failure.ts';
import { type FileRights, MAX_PAGE, type SourceKind, type VersionSummary } from '../../shared/protocol.ts';
import type { Receipt } from '../../shared/receipt.ts';
import type { Schema } from './schema.ts';
import type { VersionRow } from './version-rows.ts';

const SUMMARY = [
  'versions.id',
  'versions.sequence',
  'versions.path',
  'versions.kind',
  'versions.size',
  'versions.mtime',
  'versions.taken_at',
  'versions.received_at',
  'versions.sha256',
  'versions.root',
  'versions.complete',
  'versions.snapshot',
  'versions.outlook_running',
  'versions.rights',
  'versions.health',
  'versions.health_notes',
  'versions.damaged',
  'receipts.statement',
  'receipts.signature',
] as const;

export interface ListQuery {
  readonly path?: string | undefined;
  readonly kind?: SourceKind | undefined;
  readonly partial: boolean;
  /** Only versions that lack blocks. */
  readonly damaged?: boolean | undefined;
  /** Only versions that were received at this time or before: ISO 8601 in UTC with milliseconds, as the server writes it. */
  readonly at?: string | undefined;
  /** How the id begins. */
  readonly id?: string | undefined;
  /** Where the page before ended. */
  readonly cursor?: string | undefined;
  readonly limit: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Where the next page begins; undefined: there is none. */
  readonly next?: string;
}

/** Bytes of JSON that a page holds at most, but for its last version. With it an answer stays below 2 MiB. */
const PAGE_BYTES = 1_750_000;
/** Rows read at a time: between two reads the server does something else. With the longest path that ever was these are 4 MB. */
const READ_ROWS = 64;
/** Paths looked at for a page of newest versions, however few of them are on it. */
const MOST_PATHS = 4_000;
/** The highest sequence there can be, and one more. */
const END = Number.MAX_SAFE_INTEGER;

export class VersionPages {
  readonly #db: Kysely<Schema>;
  readonly #device: string;

  constructor(db: Kysely<Schema>, device: string) {
    this.#db = db;
    this.#device = device;
  }

  async summary(id: string): Promise<VersionSummary | undefined> {
    const row = await this.#summaries().where('versions.id', '=', id).executeTakeFirst();
    return row && summaryOf(row);
  }

  /** Newest first, in the order the server took them: no clock has a say. A Failure `malformed` for a cursor that is none. */
  async list(query: ListQuery): Promise<Page<VersionSummary>> {
    let before = query.cursor === undefined ? END : sequenceOf(query.cursor);
    return gather(query.limit, async (rows) => {
      const found = await this.#newestBefore(before, query, rows);
      before = found.at(-1)?.sequence ?? before;
      return { items: found.map(summaryOf), cursor: String(before), more: found.length === rows };
    });
  }

  /**
   * Of each path the newest complete version, of those that `kind` and `at` leave, in the order of the paths. A page may be empty and
   * not the last.
   */
  async newestOfEach(query: Omit<ListQuery, 'partial'>): Promise<Page<VersionSummary>> {
    let after = query.cursor === undefined ? '' : pathOf(query.cursor);
    let looked = 0;
    return gather(query.limit, async (rows) => {
      const paths = await this.#pathsAfter(after, rows);
      const items: VersionSummary[] = [];
      for (const path of paths) {
        const [newest] = await this.#newestBefore(END, { ...query, path, id: undefined, partial: false }, 1);
        if (newest) items.push(summaryOf(newest));
      }
      after = paths.at(-1) ?? after;
      looked += paths.length;
      const cursor = Buffer.from(after).toString('base64url');
      return { items, cursor, more: paths.length === rows, pause: looked >= MOST_PATHS };
    });
  }

  /** Receipts in the order of their sequence, from the one after `sequence` on: also of versions that can't be restored. */
  async receiptsAfter(sequence: number, limit: number): Promise<Page<Receipt>> {
    let after = sequence;
    return gather(limit, async (rows) => {
      const found = await this.#db
        .selectFrom('receipts')
        .select(['sequence', 'statement', 'signature'])
        .where('device', '=', this.#device)
        .where('sequence', '>', after)
        .orderBy('sequence')
        .limit(rows)
        .execute();
      after = found.at(-1)?.sequence ?? after;
      const items = found.map(({ statement, signature }) => ({ statement, signature }));
      return { items, cursor: String(after), more: found.length === rows };
    });
  }

  #newestBefore(sequence: number, query: Omit<ListQuery, 'limit' | 'cursor'>, limit: number) {
    let rows = this.#summaries()
      .where('versions.sequence', '<', sequence)
      .orderBy('versions.sequence', 'desc')
      .limit(limit);
    const { path, kind, at, id } = query;
    if (path !== undefined) rows = rows.where('versions.path', '=', path);
    if (query.damaged) rows = rows.where('versions.damaged', '>', 0);
    if (kind !== undefined) rows = rows.where('versions.kind', '=', kind);
    if (!query.partial) rows = rows.where('versions.complete', '=', 1);
    if (at !== undefined) rows = rows.where('versions.received_at', '<=', at);
    // "g" is the first character after all that an id is written with.
    if (id !== undefined) rows = rows.where('versions.id', '>=', id).where('versions.id', '<', `${id}g`);
    return rows.execute();
  }

  /** The next paths in the order of their UTF-8 bytes: one step along the index for each, however many versions a path has. */
  async #pathsAfter(path: string, limit: number): Promise<string[]> {
    const paths: string[] = [];
    for (let after = path; paths.length < limit; ) {
      const row = await this.#db
        .selectFrom('versions')
        .select('path')
        .where('device', '=', this.#device)
        .where('path', '>', after)
        .orderBy('path')
        .limit(1)
        .executeTakeFirst();
      if (!row) break;
      paths.push(row.path);
      after = row.path;
    }
    return paths;
  }

  #summaries() {
    return this.#db
      .selectFrom('versions')
      .innerJoin('receipts', (join) =>
        join
          .onRef('receipts.device', '=', 'versions.device')
          .onRef('receipts.sequence', '=', 'versions.sequence'),
      )
      .select(SUMMARY)
      .where('versions.device', '=', this.#device);
  }
}

interface Part<T> {
  readonly items: readonly T[];
  /** Where a page goes on that begins after these. */
  readonly cursor: string;
  readonly more: boolean;
  /** The page ends here, whatever is on it. */
  readonly pause?: boolean;
}

/** Puts parts of at most READ_ROWS items together to a page of `limit` items, MAX_PAGE at most, and of PAGE_BYTES. */
async function gather<T>(limit: number, read: (rows: number) => Promise<Part<T>>): Promise<Page<T>> {
  const most = Math.min(limit, MAX_PAGE);
  const items: T[] = [];
  for (let bytes = 0; ; ) {
    const part = await read(Math.min(READ_ROWS, most - items.length));
    items.push(...part.items);
    for (const item of part.items) bytes += Buffer.byteLength(JSON.stringify(item));
    if (!part.more) return { items };
    if (part.pause || items.length >= most || bytes >= PAGE_BYTES) return { items, next: part.cursor };
    await new Promise(setImmediate);
  }
}

function sequenceOf(cursor: string): number {
  const sequence = Number(cursor);
  if (/^\d{1,16}$/.test(cursor) && Number.isSafeInteger(sequence)) return sequence;
  throw new Failure('malformed', 'The cursor is not one that a page of this list ended with.');
}

function pathOf(cursor: string): string {
  const path = Buffer.from(cursor, 'base64url');
  if (path.toString('base64url') === cursor) return path.toString();
  throw new Failure('malformed', 'The cursor is not one that a page of this list ended with.');
}

function summaryOf(
  row: Omit<VersionRow, 'base' | 'body_hash' | 'pages'> & { damaged: number } & Receipt,
): VersionSummary {
  return {
    id: row.id,
    sequence: row.sequence,
    path: row.path,
    kind: row.kind,
    size: row.size,
    mtime: row.mtime,
    takenAt: row.taken_at,
    receivedAt: row.received_at,
    sha256: row.sha256,
    root: row.root,
    complete: row.complete === 1,
    snapshot: row.snapshot,
    ...(row.outlook_running === null ? {} : { outlookRunning: row.outlook_running === 1 }),
    ...(row.rights === null ? {} : { rights: JSON.parse(row.rights) as FileRights }),
    health: row.health,
    healthNotes: JSON.parse(row.health_notes) as string[],
    ...(row.damaged > 0 ? { damaged: row.damaged } : {}),
    receipt: { statement: row.statement, signature: row.signature },
  };
}
