// Which paths a version can have from now on. Apart from protocol.ts, whose parsers take time to load: a device asks at every check.

/** Most bytes of UTF-8 of a path that is stored: PATH_MAX of Linux. It bounds what a page of a list and a line of a log can be. */
export const MAX_PATH_BYTES = 4_096;
/** C0, DEL and C1 (ECMA-48), and half a surrogate pair: what no name of mail needs, and what no text can hold in UTF-8. */
const UNSTORABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** Bytes of `text` in UTF-8, where half a surrogate pair counts as the three of its replacement. */
function utf8Length(text: string): number {
  let bytes = 0;
  for (const char of text) {
    const point = char.codePointAt(0)!;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x1_0000 ? 3 : 4;
  }
  return bytes;
}

/** Why a path can't be stored by the server, in words that follow "its path"; null: it can. */
export function pathMistake(text: string): string | null {
  if (text === '') return 'is empty';
  if (UNSTORABLE.test(text)) return 'holds a control character, or is no Unicode';
  const bytes = text.length > MAX_PATH_BYTES ? text.length : utf8Length(text);
  return bytes > MAX_PATH_BYTES ? `has more than ${MAX_PATH_BYTES} bytes` : null;
}
