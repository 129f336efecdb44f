// Lays a change list over its base: the pages it touches are read, changed in memory, and everything else is shared.
import type { ChangeList } from '../../shared/change-list.ts';
import { inTurns } from '../in-turns.ts';
import type { PageEntry } from './page-codec.ts';
import { basePagesNeeded, changedPages } from './plan-version.ts';
import type { MapPage } from './version-map.ts';
import { openMap, type StoredMap, type VersionReader } from './version-reader.ts';

/**
 * The pages of the base, and those that the changes touch as they are in a version of `size` bytes, by number. Failures: `malformed`
 * where bytes have no extent, `pack_damaged` where the map of the base is.
 */
export async function layChanges(
  reader: VersionReader,
  base: StoredMap | undefined,
  changes: ChangeList,
  size: number,
): Promise<{ base: readonly PageEntry[]; changed: Map<number, MapPage> }> {
  const entries = base ? await inTurns(openMap(base)) : [];
  const needed = await inTurns(basePagesNeeded(changes, entries, base?.size ?? 0, size));
  const pages = await reader.pages(needed.flatMap(({ entry }) => entry ?? []));
  // Not shift(), which moves all that follow.
  let next = 0;
  const withBase = needed.map(({ change, entry }) => (entry ? { change, page: pages[next++]! } : { change }));
  return { base: entries, changed: await inTurns(changedPages(withBase, size)) };
}
