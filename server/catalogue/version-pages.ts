// Lists of a device's versions and receipts, a page at a time: what a page costs follows what is on it, not how long the history is.
import type { Kysely } from 'kysely';
import { Failure } from '../../shared/failure.ts';
import { type FileRights, MAX_PAGE, type SourceKind, type VersionSummary } from '../../shared/protocol.ts';
import type { Receipt } from '../../shared/receipt.ts';
import { CompiledQuery } from './query-builder.ts';
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

/** Bytes of JSON that a page holds at most, unless one version alone has more. With it an answer stays below 2 MiB. */
const PAGE_BYTES = 1_750_000;
/** Rows read at a time: between two reads the server does something else. With the longest path that ever was these are 7 MB. */
const READ_ROWS = 32;
/** Paths looked at in one step along the index, some milliseconds, and for a page, however few of them are on it. */
const STEP_PATHS = 500;
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
      const entries = found.map((row) => ({ item: summaryOf(row), cursor: String(row.sequence) }));
      return { entries, more: found.length === rows };
    });
  }

  /**
   * Of each path the newest complete version, of those that `kind` and `at` leave, in the order of the paths. A page may be empty and
   * not the last.
   */
  async newestOfEach(
    query: Pick<ListQuery, 'kind' | 'at' | 'cursor' | 'limit'>,
  ): Promise<Page<VersionSummary>> {
    let after = query.cursor === undefined ? '' : await this.#pathAt(sequenceOf(query.cursor));
    let looked = 0;
    let ahead: PathAhead[] = [];
    return gather(query.limit, async (rows) => {
      if (ahead.length === 0) {
        ahead = await this.#newestOfPaths(after, query);
        looked += ahead.length;
        after = ahead.at(-1)?.path ?? after;
      }
      const ended = ahead.length === 0;
      const part = ahead.splice(0, rows);
      const summaries = await this.#bySequence(part.flatMap(({ sequence }) => sequence ?? []));
      const entries = part.map(({ sequence, last }) => ({
        item: sequence === null ? undefined : summaries.get(sequence),
        cursor: String(last),
      }));
      return { entries, more: !ended, pause: ahead.length === 0 && looked >= MOST_PATHS };
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
      const entries = found.map(({ sequence: at, statement, signature }) => ({
        item: { statement, signature },
        cursor: String(at),
      }));
      return { entries, more: found.length === rows };
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

  /**
   * The next paths in the order of their UTF-8 bytes, each with the sequence of its newest version of those asked for. A few steps along
   * an index for each path, however many versions it has.
   */
  async #newestOfPaths(path: string, { kind, at }: Pick<ListQuery, 'kind' | 'at'>): Promise<PathAhead[]> {
    const statement = `
      WITH RECURSIVE paths (path) AS (
        SELECT min(path) FROM versions WHERE device = ? AND path > ?
        UNION ALL
        SELECT (SELECT min(path) FROM versions WHERE device = ? AND path > paths.path) FROM paths
          WHERE paths.path IS NOT NULL
        LIMIT ?
      )
      SELECT path, (
        SELECT sequence FROM versions
          WHERE device = ? AND path = paths.path AND complete = 1
            AND kind = coalesce(?, kind) AND received_at <= coalesce(?, received_at)
          ORDER BY sequence DESC LIMIT 1
      ) AS sequence, (SELECT max(sequence) FROM versions WHERE device = ? AND path = paths.path) AS last
      FROM paths WHERE path IS NOT NULL`;
    const device = this.#device;
    const values = [device, path, device, STEP_PATHS, device, kind ?? null, at ?? null, device];
    const query = CompiledQuery.raw(statement, values);
    const { rows } = await this.#db.executeQuery<PathAhead>(query);
    return rows;
  }

  /** The path of the version at `sequence`; a Failure `malformed` where there is none. */
  async #pathAt(sequence: number): Promise<string> {
    const row = await this.#db
      .selectFrom('versions')
      .select('path')
      .where('device', '=', this.#device)
      .where('sequence', '=', sequence)
      .executeTakeFirst();
    if (row) return row.path;
    throw noCursor();
  }

  async #bySequence(sequences: readonly number[]): Promise<Map<number, VersionSummary>> {
    if (sequences.length === 0) return new Map();
    const rows = await this.#summaries().where('versions.sequence', 'in', sequences).execute();
    return new Map(rows.map((row) => [row.sequence, summaryOf(row)]));
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

/** A path, its newest version of those asked for (null: it has none), and its newest of all, by which a cursor names the path. */
interface PathAhead {
  readonly path: string;
  readonly sequence: number | null;
  readonly last: number;
}

interface Part<T> {
  /** `item` undefined: nothing of what was looked at is asked for. `cursor`: where a page goes on that begins after it. */
  readonly entries: readonly { readonly item: T | undefined; readonly cursor: string }[];
  readonly more: boolean;
  /** The page ends here, whatever is on it. */
  readonly pause?: boolean;
}

/** Puts parts of at most READ_ROWS entries together to a page of `limit` items, MAX_PAGE at most, and of PAGE_BYTES. */
async function gather<T>(limit: number, read: (rows: number) => Promise<Part<T>>): Promise<Page<T>> {
  const most = Math.min(limit, MAX_PAGE);
  const items: T[] = [];
  let cursor: string | undefined;
  for (let bytes = 0; ; ) {
    const { entries, more, pause } = await read(Math.min(READ_ROWS, most - items.length));
    for (const entry of entries) {
      if (entry.item !== undefined) {
        bytes += Buffer.byteLength(JSON.stringify(entry.item));
        if (bytes > PAGE_BYTES && items.length > 0) return { items, next: cursor! };
        items.push(entry.item);
      }
      cursor = entry.cursor;
    }
    if (!more) return { items };
    if (pause || items.length >= most) return { items, next: cursor! };
    await new Promise(setImmediate);
  }
}

function sequenceOf(cursor: string): number {
  const sequence = Number(cursor);
  if (/^\d{1,16}$/.test(cursor) && Number.isSafeInteger(sequence)) return sequence;
  throw noCursor();
}

function noCursor(): Failure {
  return new Failure('malformed', 'The cursor is not one that a page of this list ended with.');
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
