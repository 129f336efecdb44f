// Makes an Outlook-like PST and its daily changes: DIR/day0.pst, day1.pst ... The same arguments give the same bytes.
//
// The model is that of [MS-PST] (Unicode, NDB layer): what is written where, when and how often. Outlook cannot read
// the files. What matters for a backup is modelled: allocation maps in place, blocks and tree pages by copy on write
// to wherever space is free, stale bytes left behind, text as compressible as real mail.
import { constants, copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { layOutBase } from './outlook/base.ts';
import { type DayLoad, liveOneDay, USUAL_DAY } from './outlook/day.ts';
import { readTextPool } from './outlook/real-blocks.ts';
import { OutlookStore, type StoreOptions } from './outlook/store.ts';

/** Writes the store of day 0. Keep the result: the days that follow continue from it. */
export function generateBase(path: string, options: StoreOptions): OutlookStore {
  const store = new OutlookStore(readTextPool(), options);
  layOutBase(store, path);
  return store;
}

/** Copies the store of the day before (`from`) to `to`, and lives one day there. */
export function nextDay(store: OutlookStore, from: string, to: string, load: DayLoad = USUAL_DAY): void {
  copyFileSync(from, to, constants.COPYFILE_FICLONE);
  liveOneDay(store, to, load);
}

/** All of it: day0.pst and `days` more. Returns their paths, day 0 first. */
export function generateDays(directory: string, options: StoreOptions, days: number): string[] {
  mkdirSync(directory, { recursive: true });
  const paths = dayPaths(directory, days);
  const store = generateBase(paths[0]!, options);
  for (let day = 1; day <= days; day++) nextDay(store, paths[day - 1]!, paths[day]!);
  return paths;
}

export function dayPaths(directory: string, days: number): string[] {
  return Array.from({ length: days + 1 }, (_, day) => join(directory, `day${day}.pst`));
}
