// What a look could not look into: mail in there is not protected. Kept in a file beside the database, where `status` finds it.
import { readFile } from 'node:fs/promises';
import * as z from '../../shared/schema.ts';
import { removeDurably, writeDurably } from '../durable-file.ts';
import type { LeftOut } from '../sources/finder.ts';
import type { StatePaths } from '../state/state-directory.ts';

export type Unread = Pick<LeftOut, 'path' | 'text'>;

const Kept = z.array(z.object({ path: z.string(), text: z.string() }));

/** What the last look over the whole machine could not look into. Nothing where no look has said so, or the file can't be read. */
export async function lastUnread({ unread: file }: Pick<StatePaths, 'unread'>): Promise<readonly Unread[]> {
  try {
    return Kept.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return [];
  }
}

/** Keeps it for `status`; writes only what changed. */
export async function keepUnread(
  paths: Pick<StatePaths, 'unread'>,
  unread: readonly Unread[],
): Promise<void> {
  const now = unread.map(({ path, text }) => ({ path, text }));
  if (JSON.stringify(now) === JSON.stringify(await lastUnread(paths))) return;
  if (now.length === 0) await removeDurably(paths.unread);
  else await writeDurably(paths.unread, `${JSON.stringify(now, null, 2)}\n`);
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
