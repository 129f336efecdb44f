// A command line for Windows out of words, such that CommandLineToArgvW and the C runtime take it apart into the same words.

/** Quotes each word that needs it: backslashes are doubled only before a quotation mark (documented with CommandLineToArgvW). */
export function commandLine(words: readonly string[]): string {
  return words.map(commandWord).join(' ');
}

function commandWord(word: string): string {
  if (word !== '' && !/[\s"]/.test(word)) return word;
  return `"${word.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, '$1$1')}"`;
}
