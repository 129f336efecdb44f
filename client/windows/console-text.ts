// What console programs of Windows write, as text.

/** Output in UTF-16LE, as Wine's programs write it, or in UTF-8; of another code page only the ASCII characters are right. */
export function consoleText(bytes: Buffer): string {
  const wide = bytes.length > 1 && (bytes[1] === 0 || (bytes[0] === 0xff && bytes[1] === 0xfe));
  return bytes.toString(wide ? 'utf16le' : 'utf8').replace(/^\uFEFF/, '');
}
