// From a base and a change list to the pages of a new version: what is shared, what is written anew, and the root. Pure.
import type { ChangeList } from '../../shared/change-list.ts';
import { sha256 } from '../sha256.ts';
import type { NewPage } from './accept-version.ts';
import type { PageEntry } from './page-codec.ts';
import {
  changePage,
  type MapPage,
  type PageChange,
  pageCount,
  pageLength,
  pageRoot,
  rootOfPages,
  splitByPage,
} from './version-map.ts';

/** The pages of the base that the changes touch: what has to be read to lay the changes over them. */
export function basePagesNeeded(
  changes: ChangeList,
  base: readonly PageEntry[],
): { change: PageChange; entry?: PageEntry }[] {
  return splitByPage(changes.runs, changes.coarse).map((change) => {
    const entry = base[change.page];
    return entry ? { change, entry } : { change };
  });
}

/** The page of each change, laid over its base. A Failure `malformed` where bytes have no extent. */
export function changedPages(
  needed: readonly { change: PageChange; page?: MapPage }[],
  size: number,
): Map<number, MapPage> {
  const pages = new Map<number, MapPage>();
  for (const { change, page } of needed) {
    pages.set(change.page, changePage(page, change, pageLength(change.page, size)));
  }
  return pages;
}

/** All pages of the new version in order, and its root. */
export function assemble(
  base: readonly PageEntry[],
  changed: ReadonlyMap<number, MapPage>,
  size: number,
): { pages: NewPage[]; root: Uint8Array } {
  const pages: NewPage[] = [];
  for (let index = 0; index < pageCount(size); index++) {
    const page = changed.get(index);
    pages.push(page ? { root: pageRoot(page, sha256), page } : base[index]!);
  }
  return {
    pages,
    root: rootOfPages(
      pages.map((page) => page.root),
      size,
      sha256,
    ),
  };
}
