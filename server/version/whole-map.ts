// The map of a version told without its base: what its object says where the change list that came with the commit is lost.
import { coarseCount } from '../../shared/block.ts';
import { fromHex, sameBytes, toHex } from '../../shared/byte-codec.ts';
import {
  type ChangeList,
  CoarseHashes,
  decodeChangeList,
  encodeChangeList,
  MAX_RUNS,
} from '../../shared/change-list.ts';
import { lengthOf, type PlacedExtent } from '../../shared/extents.ts';
import { Failure } from '../../shared/failure.ts';
import { atOnce } from '../../shared/steps.ts';
import type { PackKind } from '../catalogue/schema.ts';
import { sha256 } from '../sha256.ts';
import { assemble, changedPages } from './plan-version.ts';
import { checkHashesGiven, splitByPage, touchedBlocks } from './version-map.ts';
import type { WholeMap } from './version-object.ts';
import { openMap, type StoredMap, type VersionReader } from './version-reader.ts';

const PAGES_AT_ONCE = 64;

/**
 * Every byte and every coarse hash of a version that the catalogue has, its packs named by their ids. A Failure `pack_damaged` where
 * its map is not what its root says, `malformed` where a change list can't say it.
 */
export async function wholeMapOf(
  reader: VersionReader,
  version: StoredMap & { readonly body_hash: Uint8Array },
): Promise<WholeMap> {
  const entries = atOnce(openMap(version));
  const hashes = new Uint8Array(32 * coarseCount(version.size));
  const runs: PlacedExtent[] = [];
  const kinds = new Map<string, PackKind>();
  let hashed = 0;
  for (let from = 0; from < entries.length; from += PAGES_AT_ONCE) {
    for (const page of await reader.pages(entries.slice(from, from + PAGES_AT_ONCE))) {
      hashes.set(page.hashes, hashed);
      hashed += page.hashes.length;
      for (const { pack, offset, length } of page.extents) {
        const { id, kind } = await reader.pack(pack);
        // Its raw offsets would mean two things.
        if ((kinds.get(id) ?? kind) !== kind) {
          throw new Failure('malformed', `It lies in pack ${id} both as a pack and as a plain file.`);
        }
        kinds.set(id, kind);
        append(runs, { pack: id, offset, length });
      }
    }
  }
  if (lengthOf(runs) !== version.size) throw new Failure('pack_damaged', 'The map of a version has a gap.');
  if (runs.length > MAX_RUNS) throw new Failure('malformed', `It lies in ${runs.length} pieces, too many.`);
  const coarse = new CoarseHashes(
    Float64Array.from({ length: hashes.length / 32 }, (_, index) => index),
    hashes,
  );
  return {
    changes: Buffer.from(encodeChangeList({ runs, coarse }, sha256)).toString('base64'),
    plain: [...kinds].filter(([, kind]) => kind === 'raw').map(([id]) => id),
    bodyHash: toHex(version.body_hash),
  };
}

/** Adds a run where the ones before end; one that goes on in the same pack becomes a part of the last. */
function append(runs: PlacedExtent[], { pack, offset, length }: Omit<PlacedExtent, 'at'>): void {
  const last = runs.at(-1);
  if (last && last.pack === pack && last.offset + last.length === offset) {
    runs[runs.length - 1] = { ...last, length: last.length + length };
  } else runs.push({ at: last ? last.at + last.length : 0, length, pack, offset });
}

/** Whether the map gives every byte of a version of this size, and its hashes sum up to this root (hexadecimal). */
export function leadsTo(
  map: WholeMap,
  { size, root }: { readonly size: number; readonly root: string },
): boolean {
  try {
    const list: ChangeList = decodeChangeList(Buffer.from(map.changes, 'base64'), sha256);
    atOnce(checkHashesGiven(list.coarse, touchedBlocks(list.runs, 0, size)));
    const changes = atOnce(splitByPage(list.runs, list.coarse)).map((change) => ({ change }));
    const { root: summed } = atOnce(assemble([], atOnce(changedPages(changes, size)), size));
    return sameBytes(summed, fromHex(root));
  } catch (error) {
    if (error instanceof Failure && error.code === 'malformed') return false;
    throw error;
  }
}
