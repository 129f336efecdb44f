// One day of a mailbox: mails come, some are read, flagged or moved, a few are deleted; every few changes a commit.
import { addRow, changeRow } from './folder.ts';
import type { OutlookStore } from './store.ts';

export type DayLoad = { readonly mails: number; readonly updates: number; readonly deletes: number };
export const USUAL_DAY: DayLoad = { mails: 60, updates: 200, deletes: 30 };

type Event = 'mail' | 'update' | 'delete';
const LARGEST_BATCH = 5;

export function liveOneDay(store: OutlookStore, path: string, load: DayLoad): void {
  store.file.open(path);
  let uncommitted = 0;
  for (const event of shuffledEvents(store, load)) {
    if (event === 'mail') receive(store);
    else changeOld(store, event);
    // a delivery is committed at once; Outlook gathers other changes
    uncommitted += event === 'mail' ? LARGEST_BATCH : 1;
    if (uncommitted >= store.chance.whole(1, LARGEST_BATCH)) {
      store.commit();
      uncommitted = 0;
    }
  }
  store.commit();
  store.file.close();
}

function shuffledEvents(store: OutlookStore, { mails, updates, deletes }: DayLoad): Event[] {
  return store.chance.shuffle([
    ...Array<Event>(mails).fill('mail'),
    ...Array<Event>(updates).fill('update'),
    ...Array<Event>(deletes).fill('delete'),
  ]);
}

function receive(store: OutlookStore): void {
  store.deliver();
  const inbox = store.chance.unit() < 0.7;
  const folder = store.folders[inbox ? 0 : store.chance.whole(1, store.folders.length)]!;
  addRow(store, folder);
  store.changeNode(folder.nid);
}

/** Mostly something recent. */
function changeOld(store: OutlookStore, event: 'update' | 'delete'): void {
  const age = Math.min(0.999, store.chance.exponential(0.12));
  const at = Math.floor((1 - age) * (store.order.length - 1));
  const nid = store.order[at]!;
  const folder =
    store.folders[Math.min(store.folders.length - 1, Math.floor(store.chance.exponential(0.8)))]!;
  if (event === 'update') {
    const blocks = store.messages.get(nid)!;
    blocks[0] = store.blocks.rewrite(blocks[0]!, [8, 4]);
    store.changeNode(nid);
  } else {
    store.remove(nid);
    store.order.splice(at, 1);
  }
  changeRow(store, folder, 1 - age);
  store.changeNode(folder.nid);
}
