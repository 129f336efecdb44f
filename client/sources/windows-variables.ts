// What %NAMES% in a user's part of the registry mean: the user's own variables, the machine's, and what Windows sets at logon.
import type { RegKey } from '../registry/reg-file.ts';
import { textOf } from '../registry/reg-value.ts';

/** Variables of a process that say the same for every user of the machine. */
const OF_THE_MACHINE = [
  'SystemDrive',
  'SystemRoot',
  'windir',
  'ProgramData',
  'ALLUSERSPROFILE',
  'PUBLIC',
  'COMPUTERNAME',
  'ProgramFiles',
  'ProgramFiles(x86)',
  'ProgramW6432',
  'CommonProgramFiles',
  'CommonProgramFiles(x86)',
] as const;

type Env = Readonly<Record<string, string | undefined>>;

/** Of a process's environment what holds for another user too. */
export function machineVariables(env: Env): Map<string, string> {
  const byName = new Map(Object.entries(env).map(([name, value]) => [name.toLowerCase(), value]));
  const variables = new Map([['systemdrive', 'C:']]);
  for (const name of OF_THE_MACHINE) {
    const value = byName.get(name.toLowerCase());
    if (value !== undefined) variables.set(name.toLowerCase(), value);
  }
  return variables;
}

/** The texts of a key's values, by name in small letters. */
export function variablesIn(key: RegKey | undefined): Map<string, string> {
  const variables = new Map<string, string>();
  for (const value of key?.values ?? []) {
    const text = textOf(value);
    if (text !== null) variables.set(value.name.toLowerCase(), text);
  }
  return variables;
}

/** Variables that name each other deeper than this are taken for a circle. */
const MOST_NESTED = 8;
/** Characters that a text may grow to; a path has fewer. */
const MOST_TEXT = 32_767;

/** `text` with the values of its %NAMES%; null where one is not known, or they name each other without end. */
export function expandAll(text: string, variables: ReadonlyMap<string, string>): string | null {
  let expanded = text;
  for (let nested = 0; nested <= MOST_NESTED && expanded.length <= MOST_TEXT; nested++) {
    const parts = expanded.split('%');
    // Names stand between two per cent signs: every other part. One that has no partner is a character of the name.
    if (parts.length < 3) return expanded;
    let out = parts[0]!;
    for (let at = 1; at < parts.length; at += 2) {
      if (at === parts.length - 1) out += `%${parts[at]}`;
      else {
        const value = variables.get(parts[at]!.toLowerCase());
        if (value === undefined) return null;
        out += value + parts[at + 1]!;
      }
    }
    expanded = out;
  }
  return null;
}
