// Whether what was a good store may be one no more: emptied, overwritten, cut short. A suspect version is kept and marked. Pure.
import type { StoreHealth } from '../../shared/store-header.ts';
import { bytesText } from '../terminal.ts';

/** What a file is by its beginning: an Outlook store, a SQLite database, an mbox, nothing at all, nothing but zeros, or unknown. */
export type Shape = 'store' | 'sqlite' | 'mbox' | 'empty' | 'zeros' | 'other';

/** The last version of a source that was not suspect. */
export interface LastGood {
  readonly version: string;
  /** When the server signed its receipt; null: not known. */
  readonly at: string | null;
  /** Bytes. */
  readonly size: number;
  /** Null: taken before shapes were noted. */
  readonly shape: Shape | null;
}

/** A source as it is now. */
export interface Seen {
  readonly size: number;
  readonly shape: Shape;
  /** Whether its own header says that something of it is missing. */
  readonly isCut: boolean;
}

const SQLITE = Buffer.from('SQLite format 3\0', 'latin1');
const NAMES: Readonly<Partial<Record<Shape, string>>> = {
  store: 'an Outlook store (!BDN)',
  sqlite: 'a SQLite database',
  mbox: 'an mbox (From )',
};

/** What a file is; `zeros`: whether what was looked at of it, beyond its head, holds nothing but zeros too. */
export function seenOf(
  { head, size }: { readonly head: Uint8Array; readonly size: number },
  health: Pick<StoreHealth, 'verdict'>,
  zeros: boolean,
): Seen {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  if (size === 0) return { size, shape: 'empty', isCut: false };
  if (health.verdict !== 'not-a-store')
    return { size, shape: 'store', isCut: health.verdict === 'needs-repair' };
  if (bytes.subarray(0, SQLITE.length).equals(SQLITE))
    return { size, shape: 'sqlite', isCut: size < sqliteBytes(bytes) };
  if (bytes.toString('latin1', 0, 5) === 'From ') return { size, shape: 'mbox', isCut: false };
  return { size, shape: zeros ? 'zeros' : 'other', isCut: false };
}

/** The length that a SQLite header states; 0 where it states none that counts (sqlite.org, "Database File Format", 1.3.8). */
function sqliteBytes(head: Buffer): number {
  if (head.length < 100 || head.readUInt32BE(24) !== head.readUInt32BE(92)) return 0;
  const page = head.readUInt16BE(16);
  return (page === 1 ? 65_536 : page) * head.readUInt32BE(28);
}

/** A file without a header that tells its length is taken for cut where it is this small a part of what it was, and it was large. */
const SMALL_PART = 1 / 10;
const LARGE_BYTES = 65_536;

/**
 * Why the source is suspect, as a clause without a full stop; null: it is not. Shrinking alone is none where the header agrees with
 * it: stores are compacted. Files that empty themselves, such as the journals of databases, are never suspect.
 */
export function suspicionOf(path: string, before: LastGood | null, now: Seen): string | null {
  if (before === null || before.size === 0 || EMPTIES_ITSELF.test(path)) return null;
  const { size, shape, isCut } = now;
  const was = bytesText(before.size);
  if (shape === 'empty') return `it is empty, and held ${was} before`;
  if (shape === 'zeros' && before.shape !== 'zeros')
    return `it reads as nothing but zeros, and held ${was} before`;
  const name = NAMES[before.shape ?? 'other'];
  if (name !== undefined && shape !== before.shape)
    return `it does not begin as ${name} any more, as it did before`;
  const isSmall = size < before.size * SMALL_PART && before.size >= LARGE_BYTES;
  const agrees = (shape === 'store' || shape === 'sqlite') && !isCut;
  if ((isCut && size < before.size / 2) || (isSmall && !agrees))
    return `it is cut to ${bytesText(size)}, and held ${was} before`;
  return null;
}

const EMPTIES_ITSELF = /(-wal|-journal|-shm|\.msf|\.log|\.jrs|\.chk)$/i;
