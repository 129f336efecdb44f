// The setting `exclude`: which paths its patterns leave out. Pure, and linear in the length of what it compares: no regular expression.

/**
 *   *       any characters of one name          **     any number of folders
 *   ?       one character                       [a-c]  one of these; [!a-c] one that is none of these
 *   {a,b}   either
 *
 * A pattern that begins with `/`, `~/`, a drive letter or a share names a place. Any other one is looked for at any depth. What names
 * a folder leaves out all that is below it. On Windows case makes no difference and `\` is as good as `/`.
 */
export function excluder(
  patterns: readonly string[],
  { platform, home }: { readonly platform: string; readonly home: string },
): (path: string) => boolean {
  const windows = platform === 'win32';
  const compiled = patterns
    .flatMap((pattern) => alternatives(pattern))
    .map((pattern) =>
      compile(
        plain(
          pattern.replace(/^~(?=$|[\\/])/, () => home),
          windows,
        ),
      ),
    );
  if (compiled.length === 0) return () => false;
  return (path) => {
    const segments = segmentsOf(plain(path.replace(/^set:/, ''), windows));
    return compiled.some((pattern) => matches(pattern, segments));
  };
}

/** The form that is compared: one separator, one spelling of letters with accents, and on Windows one case. */
function plain(path: string, windows: boolean): string {
  const same = path.normalize('NFC');
  return windows
    ? same
        .replace(/^\\\\\?\\(?:UNC(?=\\))?/i, (mark) => (mark.length > 4 ? '\\' : ''))
        .replaceAll('\\', '/')
        .toLowerCase()
    : same;
}

const segmentsOf = (path: string) => path.split('/').filter((segment) => segment !== '');

/** One name of a pattern; `deep` stands for any number of names. */
type Part = 'deep' | readonly Token[];
/** `many` stands for any characters, a text for that character. */
type Token = 'many' | 'one' | { readonly text: string } | { readonly set: string; readonly not: boolean };

function compile(pattern: string): readonly Part[] {
  const isPlace = /^(\/|[a-z]:\/)/i.test(pattern);
  const parts = segmentsOf(pattern).map((name): Part => (name === '**' ? 'deep' : tokensOf(name)));
  return isPlace ? parts : ['deep', ...parts];
}

function tokensOf(name: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < name.length; at++) {
    const character = name[at]!;
    const end = character === '[' ? name.indexOf(']', at + 2) : -1;
    if (character === '*') {
      if (tokens.at(-1) !== 'many') tokens.push('many');
    } else if (character === '?') tokens.push('one');
    else if (end > at) {
      const not = name[at + 1] === '!';
      tokens.push({ set: name.slice(at + (not ? 2 : 1), end), not });
      at = end;
    } else tokens.push({ text: character });
  }
  return tokens;
}

/** Whether the pattern is the path, or a folder above it. Keeps the set of places in the pattern that the names so far lead to. */
function matches(pattern: readonly Part[], segments: readonly string[]): boolean {
  let places = withoutNames(pattern, new Set([0]));
  for (const segment of segments) {
    const next = new Set<number>();
    for (const place of places) {
      const part = pattern[place];
      if (part === 'deep') next.add(place);
      else if (part !== undefined && matchesName(part, segment)) next.add(place + 1);
    }
    places = withoutNames(pattern, next);
    if (places.has(pattern.length)) return true;
  }
  return false;
}

/** The places with those that are reached by letting `deep` stand for no name. */
function withoutNames(pattern: readonly Part[], places: Set<number>): Set<number> {
  for (const place of places) if (pattern[place] === 'deep') places.add(place + 1);
  return places;
}

/** Goes back to the last `many` alone, which is enough for wildcards. */
function matchesName(tokens: readonly Token[], name: string): boolean {
  let token = 0;
  let at = 0;
  let many = -1;
  let from = 0;
  while (at < name.length) {
    const now = tokens[token];
    if (now === 'many') {
      many = token++;
      from = at;
    } else if (now !== undefined && isOne(now, name[at]!)) {
      token++;
      at++;
    } else if (many >= 0) {
      token = many + 1;
      at = ++from;
    } else return false;
  }
  while (tokens[token] === 'many') token++;
  return token === tokens.length;
}

function isOne(token: Exclude<Token, 'many'>, character: string): boolean {
  if (token === 'one') return true;
  if ('text' in token) return token.text === character;
  const { set, not } = token;
  for (let at = 0; at < set.length; at++) {
    const range = set[at + 1] === '-' && at + 2 < set.length;
    const last = range ? set[at + 2]! : set[at]!;
    if (set[at]! <= character && character <= last) return !not;
    if (range) at += 2;
  }
  return not;
}

/** Most patterns that one with braces may stand for. */
const MOST_ALTERNATIVES = 256;

/** The patterns that one with braces stands for. Braces that never close are taken as they are. */
function alternatives(pattern: string): string[] {
  const done: string[] = [];
  const left = [pattern];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const text = next;
    const [whole, inner] = /\{([^{}]*,[^{}]*)\}/.exec(text) ?? [];
    if (whole === undefined || done.length + left.length >= MOST_ALTERNATIVES) done.push(text);
    else for (const one of inner!.split(',')) left.push(text.replace(whole, () => one));
  }
  return done;
}
