// Sets: files that are of use only together, such as a database with its log. They are taken out of one snapshot, with a list of them.
import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import type { Device } from '../device.ts';
import { lookAtPath } from '../far/files-here.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { Source } from '../state/source-registry.ts';
import { isSetPath } from './set-list.ts';
import { currentMark } from './source-file.ts';
import { onTheirWay } from './supersede.ts';
import { instantOf, type Taken, takeBackup, type Workshop } from './take-backup.ts';

/** A set of a run: its files, and the source that lists them. */
export interface SourceSet {
  readonly list: Source;
  readonly members: readonly Source[];
}

/** Sources that stand alone, and the sets whose list is among the sources. */
export function bySet(sources: readonly Source[]): {
  readonly alone: readonly Source[];
  readonly sets: readonly SourceSet[];
} {
  const lists = new Map<string, { list: Source; members: Source[] }>();
  for (const source of sources) {
    if (source.set !== null && isSetPath(source.path)) lists.set(source.set, { list: source, members: [] });
  }
  const alone: Source[] = [];
  for (const source of sources) {
    if (isSetPath(source.path)) continue;
    const set = source.set === null ? undefined : lists.get(source.set);
    if (set) set.members.push(source);
    else alone.push(source);
  }
  return { alone, sets: [...lists.values()].filter(({ members }) => members.length > 0) };
}

/** read: a file of it changed, came or went. waits: a state of one of them is on its way. unchanged: all is as its receipts say. */
export async function needOfSet(
  device: Device,
  { list, members }: SourceSet,
): Promise<'read' | 'waits' | 'unchanged'> {
  let underWay = false;
  for (const source of [...members, list]) {
    const under = onTheirWay(device, source);
    if (under.some(({ givesWay }) => !givesWay)) return 'waits';
    underWay ||= under.length > 0;
  }
  for (const source of members) {
    const mark = await currentMark(source.path).catch(() => null);
    if (mark === null || mark !== newestMark(device, source)) return 'read';
  }
  const { mark } = await listOf(device, list, async (path) => path);
  if (mark !== newestMark(device, list)) return 'read';
  return underWay ? 'waits' : 'unchanged';
}

/** Takes one source of a group: of a set only what changed, and its list only if every file of it was taken. */
export async function takeSource(
  device: Device,
  source: Source,
  snapshot: Snapshot,
  shop: Workshop,
): Promise<Taken> {
  if (isSetPath(source.path)) return takeList(device, source, snapshot, shop);
  // A store that is locked can't be looked at but here: where nothing changed it is not read again.
  const mark = await currentMark(await snapshot.pathOf(source.path)).catch(() => null);
  if (mark !== null && mark === newestMark(device, source)) return { outcome: 'unchanged' };
  return takeBackup(device, source, snapshot, shop);
}

async function takeList(device: Device, list: Source, snapshot: Snapshot, shop: Workshop): Promise<Taken> {
  const { text, mark, present } = await listOf(device, list, (path) => snapshot.pathOf(path));
  for (const source of present) {
    const seen = await currentMark(await snapshot.pathOf(source.path)).catch(() => null);
    if (seen !== null && seen === newestMark(device, source)) continue;
    const message = `${source.path} was not taken, so the files that belong to it are not listed as one state.`;
    throw new Failure('source_changed', message);
  }
  const file = join(device.paths.exports, `${device.newId()}.set`);
  try {
    await writeFile(file, text, { mode: 0o600, flag: 'wx' });
    return await takeBackup(device, list, { ...snapshot, pathOf: async () => file }, shop, mark);
  } finally {
    await rm(file, { force: true });
  }
}

/** The mark of a source's newest state that is whole: receipted, or on its way. */
function newestMark(device: Device, source: Source): string | null {
  const whole = onTheirWay(device, source).filter(
    ({ backup }) => backup.complete === 1 && backup.root !== null,
  );
  return whole.at(-1)?.backup.mark ?? device.sources.get(source.id).mark;
}

/** The list of a set as its files lie at `placeOf` now: set-list.ts. Its mark is a hash of it. */
async function listOf(
  device: Device,
  list: Source,
  placeOf: (path: string) => Promise<string>,
): Promise<{ text: string; mark: string; present: Source[] }> {
  const present: Source[] = [];
  const members: object[] = [];
  const gone: string[] = [];
  for (const source of device.sources.ofSet(list.set ?? '')) {
    if (isSetPath(source.path)) continue;
    const there = await lookAtPath(await placeOf(source.path)).catch(() => null);
    if (!there) gone.push(source.path);
    else {
      present.push(source);
      members.push({ path: source.path, size: there.size, mtime: instantOf(there.mtimeMs) });
    }
  }
  const text = `${JSON.stringify({ set: list.set, members, gone }, null, 1)}\n`;
  return { text, mark: `set ${createHash('sha256').update(text).digest('hex')}`, present };
}
