// The text format of reg.exe: Windows Registry Editor Version 5.00, read without loss and written so that it is taken back.
import { Failure } from '../../shared/failure.ts';

/** Types of registry values (winnt.h). Others are kept as the number they are. */
export const REG_SZ = 1;
export const REG_EXPAND_SZ = 2;
export const REG_BINARY = 3;
export const REG_DWORD = 4;
export const REG_MULTI_SZ = 7;

export interface RegValue {
  /** Empty: the key's default value. */
  readonly name: string;
  readonly type: number;
  /** As the registry keeps them: text is UTF-16LE with its NUL. */
  readonly data: Uint8Array;
}

export interface RegKey {
  /** From the root on, in full: HKEY_CURRENT_USER\Software\... */
  readonly path: string;
  readonly values: readonly RegValue[];
  /** To write alone: the key and all below it are removed when the file is imported; it has no values then. */
  readonly removed?: boolean;
}

const HEADER = 'Windows Registry Editor Version 5.00';
/** Columns after which hexadecimal bytes go on in the next line, as reg.exe does. */
const COLUMNS = 76;

/**
 * The file's bytes: UTF-16LE with its mark, one section for each key in the order given.
 *
 *   BOM | header | blank | [KEY] or [-KEY] | "name"="text" | "name"=dword:0000000a | "name"=hex(7):41,00,... | blank | ...
 *
 * Text that is not plain (no NUL at its end, control characters, an odd number of bytes) is written as bytes of its type.
 */
export function encodeRegFile(keys: Iterable<RegKey>): Uint8Array {
  return Buffer.from(`\uFEFF${HEADER}\r\n\r\n${regSections(keys)}`, 'utf16le');
}

/** Sections alone, without mark and header, in UTF-16LE: what can be put behind a file that reg.exe wrote. */
export function encodeRegSections(keys: Iterable<RegKey>): Uint8Array {
  return Buffer.from(regSections(keys), 'utf16le');
}

function regSections(keys: Iterable<RegKey>): string {
  let text = '';
  for (const { path, values, removed } of keys) {
    text += `[${removed ? '-' : ''}${path}]\r\n`;
    for (const value of values) text += `${valueLine(value)}\r\n`;
    text += '\r\n';
  }
  return text;
}

function valueLine({ name, type, data }: RegValue): string {
  const left = `${name === '' ? '@' : `"${escaped(name)}"`}=`;
  const text = type === REG_SZ ? plainText(data) : null;
  if (text !== null) return `${left}"${escaped(text)}"`;
  if (type === REG_DWORD && data.length === 4) {
    const hex = Buffer.from(data).readUInt32LE().toString(16).padStart(8, '0');
    return `${left}dword:${hex}`;
  }
  return hexLines(left + (type === REG_BINARY ? 'hex:' : `hex(${type.toString(16)}):`), data);
}

function hexLines(left: string, data: Uint8Array): string {
  let all = '';
  let line = left;
  for (const [i, byte] of data.entries()) {
    const comma = i < data.length - 1 ? ',' : '';
    if (line.length + 3 > COLUMNS && line.trim() !== '' && i > 0) {
      all += `${line}\\\r\n`;
      line = '  ';
    }
    line += byte.toString(16).padStart(2, '0') + comma;
  }
  return all + line;
}

const escaped = (text: string) => text.replace(/[\\"]/g, '\\$&');

/** Text that can stand between quotes; null where only bytes tell it all. */
function plainText(data: Uint8Array): string | null {
  if (data.length < 2 || data.length % 2 !== 0) return null;
  const text = Buffer.from(data).toString('utf16le');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (!text.endsWith('\0') || /[\u0000-\u001f]/.test(text.slice(0, -1))) return null;
  return text.slice(0, -1);
}

/** Reads a file that reg.exe or encodeRegFile() wrote. Failure `registry_failed`, with the line, where it is anything else. */
export function decodeRegFile(bytes: Uint8Array): RegKey[] {
  if (bytes[0] !== 0xff || bytes[1] !== 0xfe) throw bad('it is not UTF-16 with a byte order mark', 1);
  const reader = new Reader(
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf16le', 2),
  );
  if (reader.line().trimEnd() !== HEADER) throw bad(`the header is not "${HEADER}"`, 1);
  const keys: { path: string; values: RegValue[]; removed?: boolean }[] = [];
  while (reader.skipBlank()) {
    if (reader.peek() === '[') {
      const { path, removed } = reader.key();
      keys.push({ path, values: [], ...(removed ? { removed } : {}) });
      continue;
    }
    const key = keys.at(-1);
    if (!key || key.removed) throw bad('a value stands in no key', reader.rowAt());
    key.values.push(reader.value());
  }
  return keys;
}

const bad = (what: string, line: number) =>
  new Failure('registry_failed', `A registry file can't be read: ${what} (line ${line}).`);

/** Escapes in text: a backslash and a quote on Windows, control characters too where Wine wrote the file. */
const UNESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', '0': '\0' };

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The number of the line at a place, from 1. It counts all lines before it: for failures alone. */
  rowAt(at = this.#at): number {
    let row = 1;
    for (let end = this.#text.indexOf('\n'); end !== -1 && end < at; end = this.#text.indexOf('\n', end + 1))
      row++;
    return row;
  }

  peek(): string {
    return this.#text[this.#at] ?? '';
  }

  /** The rest of this line, which is left behind. */
  line(): string {
    const end = this.#text.indexOf('\n', this.#at);
    const line = this.#text.slice(this.#at, end === -1 ? undefined : end).replace(/\r$/, '');
    this.#at = end === -1 ? this.#text.length : end + 1;
    return line;
  }

  /** Goes to what comes next, past blanks and comments; false at the end. */
  skipBlank(): boolean {
    for (;;) {
      const next = this.peek();
      if (next === '') return false;
      if (next === ';') this.line();
      else if (/\s/.test(next)) this.#at++;
      else return true;
    }
  }

  /** [KEY] or [-KEY]; the name ends with the last bracket of the line. */
  key(): { path: string; removed: boolean } {
    const start = this.#at;
    const found = /^\[(-?)([^\\].*)\]\s*$/.exec(this.line());
    if (!found) throw bad('a key has no end', this.rowAt(start));
    return { path: found[2]!, removed: found[1] === '-' };
  }

  value(): RegValue {
    const name = this.peek() === '@' ? this.#take('@', '') : this.#quoted();
    if (this.peek() !== '=') throw bad('a value has no =', this.rowAt());
    this.#at++;
    if (this.peek() === '"') {
      const data = Buffer.from(`${this.#quoted()}\0`, 'utf16le');
      return { name, type: REG_SZ, data };
    }
    return { name, ...this.#bytes() };
  }

  #take(what: string, value: string): string {
    this.#at += what.length;
    return value;
  }

  /** Text between quotes. It may go over lines: a line break in a value is written as it is. */
  #quoted(): string {
    const start = this.#at;
    if (this.peek() !== '"') throw bad('there is neither a key nor a value', this.rowAt(start));
    let text = '';
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at]!;
      if (char === '"') return this.#take('"', text);
      if (char === '\\') {
        const next = this.#text[++this.#at] ?? '';
        text += UNESCAPED[next] ?? next;
      } else text += char;
    }
    throw bad('text has no end', this.rowAt(start));
  }

  /** dword:, hex: and hex(n):, over as many lines as end with a backslash. */
  #bytes(): { type: number; data: Uint8Array } {
    const start = this.#at;
    const lines = [this.line()];
    while (lines.at(-1)!.endsWith('\\')) {
      lines.push(lines.pop()!.slice(0, -1), this.line().trimStart());
    }
    const text = lines.join('');
    const dword = /^dword:([0-9a-f]{1,8})\s*$/i.exec(text);
    if (dword) {
      const data = Buffer.alloc(4);
      data.writeUInt32LE(Number.parseInt(dword[1]!, 16));
      return { type: REG_DWORD, data };
    }
    const hex = /^hex(?:\(([0-9a-f]{1,8})\))?:([0-9a-f, \t]*)$/i.exec(text);
    if (!hex) throw bad('a value is neither text, dword nor hex', this.rowAt(start));
    const words = hex[2]!
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== '');
    if (words.some((word) => word.length > 2))
      throw bad('a byte has more than two digits', this.rowAt(start));
    const type = hex[1] === undefined ? REG_BINARY : Number.parseInt(hex[1], 16);
    return { type, data: Uint8Array.from(words, (word) => Number.parseInt(word, 16)) };
  }
}
