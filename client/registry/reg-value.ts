// What registry values say: text out of their bytes, and a value found by its name.
import { REG_BINARY, REG_EXPAND_SZ, REG_MULTI_SZ, REG_SZ, type RegKey, type RegValue } from './reg-file.ts';

/**
 * The text of a value up to its NUL: REG_SZ, REG_EXPAND_SZ, and REG_BINARY as MAPI writes it, UTF-16LE (property type 001f).
 * Null where the value holds no text. Never decoded byte by byte: that breaks every path outside ASCII.
 */
export function textOf({ type, data }: RegValue): string | null {
  if (type !== REG_SZ && type !== REG_EXPAND_SZ && type !== REG_BINARY) return null;
  const text = Buffer.from(data).toString('utf16le');
  const end = text.indexOf('\0');
  const until = end === -1 ? text : text.slice(0, end);
  return until === '' ? null : until;
}

/** The lines of a REG_MULTI_SZ. */
export function linesOf({ type, data }: RegValue): string[] {
  if (type !== REG_MULTI_SZ) return [];
  return Buffer.from(data)
    .toString('utf16le')
    .split('\0')
    .filter((line) => line !== '');
}

/** The value of that name in a key; names are compared as Windows does, without case. */
export function valueNamed(key: RegKey | undefined, name: string): RegValue | undefined {
  return key?.values.find((value) => value.name.toLowerCase() === name.toLowerCase());
}

/** Its text; null where it is not there. */
export function textNamed(key: RegKey | undefined, name: string): string | null {
  const value = valueNamed(key, name);
  return value ? textOf(value) : null;
}

/** The key at `path` among `keys`. */
export function keyAt(keys: readonly RegKey[] | null, path: string): RegKey | undefined {
  return keys?.find((key) => key.path.toLowerCase() === path.toLowerCase());
}

/** Whether `path` is the key `root` or below it. */
export function isWithin(path: string, root: string): boolean {
  const [inner, outer] = [path.toLowerCase(), root.toLowerCase()];
  return inner === outer || inner.startsWith(`${outer}\\`);
}
