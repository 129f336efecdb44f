// What a look could not look into: mail in there is not protected. Kept in a file beside the database, where `status` finds it.
import { readFile } from 'node:fs/promises';
import * as z from '../../shared/schema.ts';
import { writeDurably } from '../durable-file.ts';
import type { LeftOut } from '../sources/finder.ts';
import type { StatePaths } from '../state/state-directory.ts';

export type Unread = Pick<LeftOut, 'path' | 'text'>;

const List = z.array(z.object({ path: z.string(), text: z.string() }));
const Kept = z.object({ searchedAt: z.string(), completeAt: z.string().nullable(), unread: List });

/** What is known of the searches over the whole machine. */
export interface LastSearch {
  /** When the last one ended: ISO 8601; null: none did, or an older program kept no time. */
  readonly searchedAt: string | null;
  /** When the last one ended that could look into everything. */
  readonly completeAt: string | null;
  /** What the last one could not look into. */
  readonly unread: readonly Unread[];
}

/** What the last look over the whole machine came to. Nothing where there was none, or the file can't be read. */
export async function lastSearch({ unread: file }: Pick<StatePaths, 'unread'>): Promise<LastSearch> {
  try {
    const kept: unknown = JSON.parse(await readFile(file, 'utf8'));
    // As it was kept before there were times.
    if (Array.isArray(kept)) return { searchedAt: null, completeAt: null, unread: List.parse(kept) };
    return Kept.parse(kept);
  } catch {
    return { searchedAt: null, completeAt: null, unread: [] };
  }
}

/** Keeps for `status` what a search over the whole machine, which ended at `now` (ms since 1970), could not look into. */
export async function keepUnread(
  paths: Pick<StatePaths, 'unread'>,
  unread: readonly Unread[],
  now: number,
): Promise<void> {
  const searchedAt = new Date(now).toISOString();
  const completeAt = unread.length === 0 ? searchedAt : (await lastSearch(paths)).completeAt;
  const kept = { searchedAt, completeAt, unread: unread.map(({ path, text }) => ({ path, text })) };
  await writeDurably(paths.unread, `${JSON.stringify(kept, null, 2)}\n`);
}

const MINUTE_MS = 60_000;

/** How long ago, in the largest unit that fits. */
function ago(instant: string, now: number): string {
  const minutes = Math.max(0, Math.floor((now - Date.parse(instant)) / MINUTE_MS));
  if (minutes < 120) return `${minutes} min ago`;
  return minutes < 2_880
    ? `${Math.floor(minutes / 60)} hours ago`
    : `${Math.floor(minutes / 1_440)} days ago`;
}

/** How old the last searches are, as a line of `status`. */
export function searchLine({ searchedAt, completeAt }: LastSearch, now: number): string {
  if (searchedAt === null) return 'search: none over the whole machine is known of';
  if (searchedAt === completeAt) return `search: complete, ${ago(searchedAt, now)}`;
  const complete =
    completeAt === null ? 'none was complete' : `the last complete one ${ago(completeAt, now)}`;
  return `search: in part, ${ago(searchedAt, now)}; ${complete}`;
}

/** How it is told: a line. */
export function unreadLine({ path, text }: Unread): string {
  return `not looked into: ${path}: ${text}`;
}

/** Tells what a look could not look into when it was not so at the look before. */
export class UnreadTeller {
  readonly #say: (sentence: string) => void;
  #told: ReadonlySet<string> = new Set();

  constructor(say: (sentence: string) => void) {
    this.#say = say;
  }

  tell(unread: readonly Unread[]): void {
    const lines = new Set(unread.map(unreadLine));
    for (const line of lines) if (!this.#told.has(line)) this.#say(`${line}.`);
    this.#told = lines;
  }
}
