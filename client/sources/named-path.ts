// What lies at a path that somebody named: a file, a folder, nothing, or what can't be taken, with the reason.
import { dirname } from 'node:path';
import { lookAtPath, realPathOf } from '../far/files-here.ts';
import { nodeFiles } from './node-files.ts';
import { NO_TEXT, pathFault } from './path-fault.ts';
import type { Skipped } from './walk.ts';

export type Named =
  /** `real`: its path without links, which is the one that a source has. */
  | { readonly kind: 'file' | 'folder'; readonly real: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'skipped'; readonly skipped: Skipped };

/** Never throws. What can not be looked at for want of rights counts as missing. */
export async function lookAtNamed(path: string): Promise<Named> {
  const fault = pathFault(path);
  const skipped = (why: Skipped['why'], more: string): Named => ({
    kind: 'skipped',
    skipped: { path, why, code: null, more },
  });
  if (fault !== null) return skipped('name', fault);
  try {
    const { kind, word } = await lookAtPath(path);
    if (kind !== 'file' && kind !== 'folder') return skipped('no-file', word);
    return { kind, real: await realPathOf(path) };
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ETIMEDOUT') return { kind: 'skipped', skipped: { path, why: 'unreadable', code } };
    if (code === 'ENOENT' && (await isWrittenOtherwise(path))) return skipped('name', NO_TEXT);
    return { kind: 'missing' };
  }
}

/** What Node makes of bytes that are no UTF-8, in words of the command line as in names. */
const REPLACEMENT = '\u{fffd}';

/** Whether a folder on the way holds a name that is no UTF-8 and was typed here: the path that is looked for is not the one on the disk. */
async function isWrittenOtherwise(path: string): Promise<boolean> {
  if (!path.includes(REPLACEMENT)) return false;
  let folder = path;
  while (dirname(folder) !== folder && folder.includes(REPLACEMENT)) folder = dirname(folder);
  const [name = ''] = path.slice(folder === '/' ? 1 : folder.length + 1).split('/');
  const like = name.split(REPLACEMENT);
  try {
    for await (const entry of nodeFiles.list(folder)) {
      if (entry.isNoName && isLike(entry.name, like)) return true;
    }
  } catch {
    // It can't be looked into: nothing is known.
  }
  return false;
}

/** Whether a name whose bytes are written as \xNN has all the parts, in their order. */
function isLike(name: string, parts: readonly string[]): boolean {
  let at = 0;
  for (const part of parts) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return true;
}
