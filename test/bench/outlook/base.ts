// Lays a store out that has lived: nearly full, with the holes of deleted mail, and the trees at its end.
import { writeFolder } from './folder.ts';
import { SLOT, SLOTS_PER_SECTION } from './space.ts';
import type { OutlookStore } from './store.ts';

const FILL = 0.985;
const HOLES = 0.05;
/** Kept for the folders, which are written last; in slots. */
const FOLDER_RESERVE = 20_000;
/** What the trees will take: slots for a page and its share of the pages above. */
const SLOTS_PER_PAGE = 8.6;
const FOLDER_SHARES = [0.55, 0.2, 0.12, 0.08, 0.05];
const LONGEST_HOLE = 12;

export function layOutBase(store: OutlookStore, path: string): void {
  store.file.create(path);
  store.file.resize(store.space.end);
  fillWithMail(store);
  for (const share of FOLDER_SHARES) {
    store.folders.push(writeFolder(store, store.newNode(), Math.floor(store.order.length * share)));
  }
  punchHoles(store);
  store.settle();
  store.file.close();
}

function fillWithMail(store: OutlookStore): void {
  const limit = store.space.sections * SLOTS_PER_SECTION * FILL - FOLDER_RESERVE;
  const rowSlots = (mails: number): number => Math.floor((mails * 700) / SLOT);
  const treeSlots = (): number =>
    (Math.floor(store.blocks.places.size / 17) + Math.floor(store.order.length / 13)) * SLOTS_PER_PAGE;
  while (store.space.laidOut + treeSlots() + rowSlots(store.order.length) < limit) store.deliver();
}

/** Mail is deleted in runs: a thread, a week. Its bytes stay in the file; only the maps forget it. */
function punchHoles(store: OutlookStore): void {
  const wanted = store.space.end * HOLES;
  let dead = 0;
  while (dead < wanted) {
    const first = store.chance.whole(0, store.order.length);
    for (const nid of store.order.slice(first, first + store.chance.whole(1, LONGEST_HOLE))) {
      for (const block of store.messages.get(nid) ?? []) dead += store.blocks.places.get(block)!.length;
      store.remove(nid);
    }
  }
  store.order = store.order.filter((nid) => store.messages.has(nid));
}
