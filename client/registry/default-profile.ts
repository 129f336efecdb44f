// Outlook's default profile: since 2013 its name stands beside the profiles, in the key above them, where no export of them finds it.
import { open } from 'node:fs/promises';
import { encodeRegSections } from './reg-file.ts';
import { keyAt, valueNamed } from './reg-value.ts';
import type { Registry } from './registry.ts';

export const DEFAULT_PROFILE = 'DefaultProfile';

/** The key above a key of profiles, where it names the default one; null where the key of profiles does so itself. */
export function aboveProfiles(key: string): string | null {
  return /^(.*\\Office\\\d+\.0\\Outlook)\\Profiles$/i.exec(key)?.[1] ?? null;
}

/** Puts it at the end of `file`, an export of the key of profiles `key`. */
export async function addDefaultProfile(registry: Registry, key: string, file: string): Promise<void> {
  const above = aboveProfiles(key);
  if (above === null) return;
  const value = valueNamed(keyAt(await registry.read(above), above), DEFAULT_PROFILE);
  if (!value) return;
  const handle = await open(file, 'a');
  try {
    await handle.writeFile(encodeRegSections([{ path: above, values: [value] }]));
  } finally {
    await handle.close();
  }
}
