// From a base and a change list to the pages of a new version: what is shared, what is written anew, and the root. Pure.
import { type ChangeList, CoarseHashes } from '../../shared/change-list.ts';
import { Failure } from '../../shared/failure.ts';
import { STEP_ITEMS, type Steps } from '../../shared/steps.ts';
import { sha256 } from '../sha256.ts';
import type { NewPage } from './accept-version.ts';
import type { PageEntry } from './page-codec.ts';
import {
  changePage,
  type MapPage,
  PAGE_BLOCKS,
  type PageChange,
  pageCount,
  pageLength,
  pageRoot,
  rootOfPagesInSteps,
  splitByPage,
} from './version-map.ts';

const NO_HASHES = new CoarseHashes(new Float64Array(0), new Uint8Array(0));

/**
 * The pages of a version of `size` bytes that differ from those of its base, `base` of `baseSize` bytes: what the changes touch, and
 * the last shared one where it is cut or grows.
 */
export function* basePagesNeeded(
  changes: ChangeList,
  base: readonly PageEntry[],
  baseSize: number,
  size: number,
): Steps<{ change: PageChange; entry?: PageEntry }[]> {
  const split = yield* splitByPage(changes.runs, changes.coarse);
  const page = Math.min(base.length, pageCount(size)) - 1;
  const isSame = page < 0 || pageLength(page, size) === pageLength(page, baseSize);
  if (!isSame && !split.some((change) => change.page === page))
    split.push({ page, runs: [], hashes: NO_HASHES });
  return split.map((change) => {
    const entry = base[change.page];
    return entry ? { change, entry } : { change };
  });
}

/** The page of each change, laid over its base. A Failure `malformed` where bytes have no extent. */
export function* changedPages(
  needed: readonly { change: PageChange; page?: MapPage }[],
  size: number,
): Steps<Map<number, MapPage>> {
  const pages = new Map<number, MapPage>();
  for (const { change, page } of needed) {
    yield;
    pages.set(change.page, changePage(page, change, pageLength(change.page, size)));
  }
  return pages;
}

/** All pages of the new version in order, and its root. A Failure `malformed` where neither the base nor a change has one of them. */
export function* assemble(
  base: readonly PageEntry[],
  changed: ReadonlyMap<number, MapPage>,
  size: number,
): Steps<{ pages: NewPage[]; root: Uint8Array }> {
  const count = pageCount(size);
  let there = Math.min(base.length, count);
  for (const index of changed.keys()) if (index >= base.length && index < count) there++;
  if (there < count)
    throw new Failure('malformed', `The version has ${size} bytes, and its changes bring fewer.`);
  const pages: NewPage[] = [];
  for (let index = 0; index < count; index++) {
    const page = changed.get(index);
    pages.push(page ? { root: pageRoot(page, sha256), page } : base[index]!);
    // A page has sixteen hashes.
    if (index % (STEP_ITEMS / PAGE_BLOCKS) === 0) yield;
  }
  const roots = pages.map((page) => page.root);
  return { pages, root: yield* rootOfPagesInSteps(roots, size, sha256) };
}
