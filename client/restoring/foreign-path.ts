/*
 * Paths that a server or another machine names, as places here. Every name in them is data: it leads nowhere but down, opens no
 * device and no stream, and is taken for no other name.
 *
 *   exactBelow    to a place that programs know: under the very names, or not at all
 *   placesBelow   below a folder to look through: always, and each path at a place of its own. What this system can't have in a name,
 *                 or could do harm in one, is written as %XX or %uXXXX (a unit of UTF-16; unescape() reads it), a % that would be
 *                 read so as %25, an empty name as %
 */
import { createHash } from 'node:crypto';
import type { PlatformPath } from 'node:path';
import { cutName, NAME_BYTES } from './file-name.ts';

export type Way = Pick<PlatformPath, 'sep' | 'join'>;

/** Windows opens these in any folder, whatever follows a dot: `NUL.txt` is NUL (learn.microsoft.com, "Naming files"). */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:[.:]|$)/i;

/** What Windows has in no name: separators, wildcards, the mark of a stream, C0; and it drops dots and spaces at the end. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NOT_ON_WINDOWS = /[<>:"/\\|?*\u0000-\u001f]|[. ]$/;

/** What is escaped in a copy to look through: that, what turns the reading order, ends a line, or is no character at all. */
const HARMFUL_ON_WINDOWS = /[<>:"/\\|?*\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** On other systems a colon or an asterisk is a character like any other: Maildir names have one each. */
const HARMFUL = /[/\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** A % that would be read as an escape, or as a mark of ours: an empty name, or the hash that keeps two names apart. */
const LIKE_AN_ESCAPE = /%(?=[0-9a-f]{2}|u[0-9a-f]{4}|~)|^%$/gi;

/** The place of `names` below `folder` under these very names, or why there is none: one sentence. */
export function exactBelow(
  folder: string,
  names: readonly string[],
  { sep, join }: Way,
): { readonly to: string } | { readonly refused: string } {
  for (const name of names) {
    if (name === '..' || name.includes(sep)) return { refused: `It would leave ${folder}.` };
    const isName = sep === '\\' ? isWindowsName(name) : !/^\.?$|[/\0]/.test(name);
    if (!isName) return { refused: `${JSON.stringify(name)} can't be the name of a file here.` };
  }
  return names.length > 0 ? { to: join(folder, ...names) } : { refused: 'It has no name.' };
}

function isWindowsName(name: string): boolean {
  return name !== '' && !NOT_ON_WINDOWS.test(name) && !DEVICE.test(name);
}

/** A place below `folder` for each of `paths`, of whatever machine: two never share one, even where case or accents don't count. */
export function placesBelow(paths: readonly string[], folder: string, way: Way): Map<string, string> {
  const wanted = [...new Set(paths)]
    .sort()
    .map((path) => ({ path, names: namesOf(path).map((name) => escaped(name, way)) }));
  const keyOf = (names: readonly string[]) => names.map(folded).join('/');
  const folders = new Set(
    wanted.flatMap(({ names }) => names.slice(1).map((_, more) => keyOf(names.slice(0, more + 1)))),
  );
  const taken = new Set<string>();
  const places = new Map<string, string>();
  for (const { path, names } of wanted) {
    const key = keyOf(names);
    const free = !taken.has(key) && !folders.has(key);
    taken.add(key);
    places.set(path, way.join(folder, ...(free ? names : [`%~${shortHash(path)}`, names.at(-1)!])));
  }
  return places;
}

/** Its names from the root down: at least one. */
function namesOf(path: string): string[] {
  const plain = path.replace(/^\\\\\?\\(?:UNC\\|(?=[a-z]:\\))/i, (start) => (start.length > 4 ? '\\\\' : ''));
  const drive = /^([a-z]):\\(.*)$/is.exec(plain);
  if (drive) return [`${drive[1]}_`, ...drive[2]!.split('\\')];
  if (/^\\\\|^HKEY_/.test(plain)) return plain.replace(/^\\\\/, '').split('\\');
  return plain.replace(/^\//, '').split('/');
}

function escaped(name: string, { sep }: Pick<Way, 'sep'>): string {
  const windows = sep === '\\';
  const plain = name
    .replace(LIKE_AN_ESCAPE, '%25')
    .replace(windows ? HARMFUL_ON_WINDOWS : HARMFUL, unitsOf)
    .replace(windows ? /[. ]$/ : /^\.$|(?<=^\.)\.$/, unitsOf);
  const safe = windows && DEVICE.test(name) ? plain.replace(/^./, unitsOf) : plain;
  const length = windows ? safe.length : Buffer.byteLength(safe);
  if (safe === '') return '%';
  // Room for the hash, which keeps two of them apart.
  return length > NAME_BYTES ? `${cutName(safe, 200)}%~${shortHash(name)}` : safe;
}

function unitsOf(text: string): string {
  const hex = (unit: number) => unit.toString(16).toUpperCase();
  return Array.from({ length: text.length }, (_, at) => text.charCodeAt(at))
    .map((unit) => (unit < 256 ? `%${hex(unit).padStart(2, '0')}` : `%u${hex(unit).padStart(4, '0')}`))
    .join('');
}

/** Equal for names that any file system takes for one: more than each does, so that none is surprised. */
function folded(name: string): string {
  return name.normalize('NFD').toUpperCase().toLowerCase().normalize('NFD');
}

function shortHash(text: string): string {
  return createHash('sha256').update(text, 'utf16le').digest('hex').slice(0, 16);
}
