// Names as they may be shown: what would move the cursor, turn the reading order or hide is written out.

/*
 * C0, DEL and C1 (ECMA-48: cursor, colours, title), line and paragraph separator, the marks of the bidirectional algorithm (Unicode
 * UAX #9 2), and characters without a width, by which two names look like one. A lone surrogate is no character at all.
 */
const UNPRINTABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** `text` for a terminal or a log in text: each character that is not safe to show as \u{hex}. For people; machines get JSON. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => `\\u{${char.charCodeAt(0).toString(16)}}`);
}
