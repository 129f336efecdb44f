// The runs of a chunk of bytes that have to be written: long runs of zeros are left as holes, which take no room on the disk. Pure.

/** What file systems keep or leave: a page. */
const PAGE = 4_096;
/** Shorter runs of zeros are written: each hole costs the file system an extent. */
const LEAST_HOLE = 4 * PAGE;
const ZEROS = Buffer.alloc(PAGE);

export interface Run {
  readonly from: number;
  readonly to: number;
}

/** The runs of `bytes`, which belong at position `at` of a file, that are not holes: in order, apart, none empty. */
export function writtenRuns(bytes: Buffer, at: number): Run[] {
  const runs: Run[] = [];
  let from = 0;
  let zerosFrom = -1;
  // The first page of the file that begins in this chunk.
  for (let page = (PAGE - (at % PAGE)) % PAGE; page < bytes.length; page += PAGE) {
    const to = Math.min(page + PAGE, bytes.length);
    const isZero = bytes.compare(ZEROS, 0, to - page, page, to) === 0;
    if (isZero && zerosFrom < 0) zerosFrom = page;
    if (isZero) continue;
    if (zerosFrom >= 0 && page - zerosFrom >= LEAST_HOLE) {
      if (zerosFrom > from) runs.push({ from, to: zerosFrom });
      from = page;
    }
    zerosFrom = -1;
  }
  const end = zerosFrom >= 0 && bytes.length - zerosFrom >= LEAST_HOLE ? zerosFrom : bytes.length;
  if (end > from) runs.push({ from, to: end });
  return runs;
}
