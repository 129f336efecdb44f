// A JSON body from a stranger: looked through before it is parsed, so that what it says takes no more memory than it should.
import { Failure } from '../../shared/failure.ts';

/** The protocol's bodies are an object with lists of texts in it. */
const MOST_DEPTH = 4;
/** Far more than any of them has: the large part of a commit is one text. */
const MOST_TOKENS = 1_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** What opens (1), closes (-1) or separates (0). */
const STRUCTURE: Readonly<Record<number, number>> = {
  91: 1,
  123: 1,
  93: -1,
  125: -1,
  44: 0,
  58: 0,
};

/**
 * The value of a JSON text that is nested at most four deep and holds at most a thousand signs of structure; a Failure
 * `malformed` otherwise. A body of brackets alone would become hundreds of times its size in objects.
 */
export function parseJson(text: string): unknown {
  let depth = 0;
  let tokens = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfText(text, at + 1);
      continue;
    }
    const step = STRUCTURE[code];
    if (step === undefined) continue;
    depth += step;
    if (depth > MOST_DEPTH || ++tokens > MOST_TOKENS) {
      throw new Failure(
        'malformed',
        'The body is nested deeper, or holds more values, than any request does.',
        { detail: { limit: depth > MOST_DEPTH ? MOST_DEPTH : MOST_TOKENS } },
      );
    }
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Failure('malformed', 'The body is not JSON.', { cause });
  }
}

/** The position of the quote that ends a text which begins at `from`; the end where there is none. */
function endOfText(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH && at - 1 - backslashes >= from) backslashes++;
    if (backslashes % 2 === 0) return at;
  }
  return text.length;
}
