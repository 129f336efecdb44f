// What a person calls a source by, and the names that the server may hold it under.
import { resolve } from 'node:path';
import { isSetPath } from '../backup/set-list.ts';
import { isRegistryPath } from '../registry/registry.ts';

/**
 * The names that `word` may mean, the likeliest first: as it was given, since the server holds paths of other systems too
 * (`C:\mail.pst` on Linux), and as a path from the folder that the person is in. A registry key or a set is no path.
 */
export function namesOf(word: string): readonly string[] {
  if (isRegistryPath(word) || isSetPath(word)) return [word];
  const path = resolve(word);
  return path === word ? [word] : [word, path];
}
