// One path in many spellings: which of them Windows takes for the same. Pure: the platform is given.
import { win32 } from 'node:path';
import { isSetPath, setName, setPath } from '../backup/set-list.ts';
import { isRegistryPath } from '../registry/registry.ts';

/** A Windows path with `\` alone, without the mark of the long form, `.`, `..` and a separator at the end; in the case it was given in. */
export function plainPath(path: string): string {
  const unmarked = path
    .replaceAll('/', '\\')
    .replace(/^\\(?:\\[?.]|\?\?)\\(?:(UNC\\)|(?=[a-z]:))/i, (_, unc) => (unc ? '\\\\' : ''));
  const normal = win32.normalize(unmarked);
  return /^[a-z]:\\$/i.test(normal) ? normal : normal.replace(/\\+$/, '');
}

/** What all spellings of a source's name have in common on `platform`; the name itself where each spelling is a name of its own. */
export function spellingKey(name: string, platform: string): string {
  if (platform !== 'win32') return name;
  if (isSetPath(name)) return setPath(spellingKey(setName(name), platform));
  return folded(isRegistryPath(name.toUpperCase()) ? name : plainPath(name));
}

/** As NTFS compares names, character by character: `ß` is not `SS`, and the dotless `ı` is no `I`. */
function folded(text: string): string {
  return Array.from(text, (one) => {
    const lower = one.toLowerCase();
    return lower.toUpperCase() === one ? lower : one;
  }).join('');
}

/** Whether `path` is `folder`, or lies in it. */
export function isAtOrBelow(path: string, folder: string, platform: string): boolean {
  const [inner, outer] = [spellingKey(path, platform), spellingKey(folder, platform)];
  const separator = platform === 'win32' ? '\\' : '/';
  return inner === outer || inner.startsWith(outer.endsWith(separator) ? outer : outer + separator);
}
