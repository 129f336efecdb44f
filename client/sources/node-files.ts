// The file system of this machine as the finders see it.
import { isUtf8 } from 'node:buffer';
import { lstat, readlink } from 'node:fs/promises';
import path from 'node:path';
import { type Kind, kindOfWhat } from '../far/file-asks.ts';
import { lookAtPath, namesIn, realPathOf, smallFile } from '../far/files-here.ts';
import type { Entry, FileView } from './file-view.ts';
import { hasHalfPair } from './path-fault.ts';

/** What a name that is no text is like: the bytes that are no UTF-8 as \xNN, so that two such names differ. */
function escaped(name: Buffer): string {
  const parts: string[] = [];
  for (let at = 0; at < name.length; ) {
    let length = 4;
    while (length > 0 && !(at + length <= name.length && isOneCharacter(name.subarray(at, at + length))))
      length--;
    parts.push(
      length > 0 ? name.toString('utf8', at, at + length) : `\\x${name.toString('hex', at, at + 1)}`,
    );
    at += Math.max(1, length);
  }
  return parts.join('');
}

function isOneCharacter(bytes: Buffer): boolean {
  return isUtf8(bytes) && [...bytes.toString()].length === 1;
}

/** On Windows a listing shows every reparse point as a link, files and folders that OneDrive keeps too. */
async function kindOfLink(full: string): Promise<Pick<Entry, 'kind' | 'code'>> {
  if (path.sep === '/') return { kind: 'link' };
  try {
    return { kind: kindOfWhat(await lstat(full)) };
  } catch (error) {
    const { code = 'UNKNOWN' } = error as NodeJS.ErrnoException;
    // Gone since it was listed: following it tells.
    return code === 'ENOENT' ? { kind: 'link' } : { kind: 'unknown', code };
  }
}

async function entryOf(folder: string, { name, kind }: { name: Buffer; kind: Kind }): Promise<Entry> {
  const text = name.toString();
  // Windows keeps names in UTF-16, of which half a pair is no character either.
  if (!isUtf8(name) || hasHalfPair(text)) return { name: escaped(name), kind, isNoName: true };
  return kind === 'link'
    ? { name: text, ...(await kindOfLink(path.join(folder, text))) }
    : { name: text, kind };
}

export const nodeFiles: FileView = {
  path,
  look: (place) => lookAtPath(place),
  async follow(link) {
    let itself: Awaited<ReturnType<typeof lookAtPath>>;
    try {
      itself = await lookAtPath(link, { link: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    try {
      const real = await realPathOf(link);
      return { real, linkOwner: itself.owner, ...(await lookAtPath(real)) };
    } catch (error) {
      const target = await readlink(link).catch(() => undefined);
      throw Object.assign(error as Error, { target });
    }
  },
  async *list(folder) {
    for await (const one of namesIn(folder)) yield entryOf(folder, one);
  },
  async readText(place, most) {
    return (await smallFile(place, most))?.toString() ?? null;
  },
};
