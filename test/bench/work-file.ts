// The protected file of a run: always at the same path, its bytes and times those of the day.
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  copyFileSync,
  createReadStream,
  fsyncSync,
  openSync,
  utimesSync,
} from 'node:fs';

/** Long past, so that no peer has to doubt a time of this very second; and a day apart. */
const FIRST_DAY_MS = Date.UTC(2025, 0, 6);
const DAY_MS = 86_400_000;

export function becomeDay(path: string, source: string, day: number): void {
  copyFileSync(source, path, constants.COPYFILE_FICLONE);
  stampDay(path, day);
}

/** Sets the day's time, and waits for the disk: the writing back must not fall into the first peer's time. */
export function stampDay(path: string, day: number): void {
  const time = new Date(FIRST_DAY_MS + day * DAY_MS);
  utimesSync(path, time, time);
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex');
}
