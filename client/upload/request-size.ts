// How many bytes go into one request of an upload: it follows the line, gets less where the line breaks, and fits what a proxy takes.

const MIB = 1_048_576;
/** A request has at least so many bytes where nobody takes less: each costs the server some milliseconds and the line a round trip. */
const LEAST = MIB;
/** At most: what a proxy that passes only whole requests on may lose with a cut connection. */
const MOST = 8 * MIB;
/** A proxy that takes no request of this size lets nothing through. */
const LEAST_TAKEN = 16_384;
/** Below LEAST after time-outs: with 20 s of patience, a line of 6.5 kB/s. */
const LEAST_SLOW = 131_072;
/** A request is to take about so long, ms: a cut costs half of that on average behind a proxy that buffers requests. */
const AIM_MS = 3_000;
/** Longer where an answer takes long to come: each request waits for one, which is to be an eighth of its time; but never longer than that. */
const AIM_WAITS = 8;
const LONGEST_AIM_MS = 8_000;
/** Full requests in a row that have to be answered after a broken one before requests grow again. */
const ANSWERS_AFTER_BREAK = 4;

export interface RequestSize {
  /** Bytes of the next request. */
  readonly bytes: number;
  /** Never more: a proxy refused what was larger. */
  readonly most: number;
  /** Full requests that have to be answered before `bytes` grows. */
  readonly wait: number;
  /** Time-outs since the last answer. */
  readonly stalls: number;
  /** The least time that an answer to a request without a body took, ms: a round trip, or more. 0: none came yet. */
  readonly waitMs: number;
}

export const FIRST_SIZE: RequestSize = { bytes: LEAST, most: MOST, wait: 0, stalls: 0, waitMs: 0 };

/** A request without a body was answered after `ms`. */
export function afterWait(size: RequestSize, ms: number): RequestSize {
  return { ...size, waitMs: size.waitMs === 0 ? ms : Math.min(size.waitMs, ms) };
}

/** A request of `bytes` was answered after `ms`: the next one has what the line carries in the time that one is to take, at most twice and at least half as much. */
export function afterAnswer(size: RequestSize, bytes: number, ms: number): RequestSize {
  const steady = { ...size, stalls: 0 };
  // One that was cut short by the end of its upload says nothing of a full one.
  if (bytes < size.bytes) return steady;
  const aimMs = Math.max(AIM_MS, Math.min(LONGEST_AIM_MS, AIM_WAITS * size.waitMs));
  const carried = (bytes / Math.max(1, ms)) * aimMs;
  if (carried >= size.bytes && size.wait > 0) return { ...steady, wait: size.wait - 1 };
  const floor = Math.min(LEAST, Math.max(size.bytes, LEAST_SLOW));
  const next = Math.min(2 * size.bytes, Math.max(carried, size.bytes / 2, floor));
  return { ...steady, bytes: Math.floor(Math.min(next, size.most)) };
}

/** A request broke, or (`stalled`) was silent for too long: LEAST next, and half of that only after two time-outs in a row. */
export function afterBreak(size: RequestSize, stalled: boolean): RequestSize {
  const stalls = stalled ? size.stalls + 1 : size.stalls;
  const slow = Math.max(Math.min(size.bytes, LEAST_SLOW), Math.floor(size.bytes / 2));
  const bytes = Math.min(LEAST, stalls > 1 ? slow : size.bytes);
  return { ...size, bytes, wait: ANSWERS_AFTER_BREAK, stalls };
}

/** Something on the way takes no request of `bytes`: half as much from now on, for good; null where nothing would be left. */
export function afterRefusal(size: RequestSize, bytes: number): RequestSize | null {
  const most = Math.min(size.most, Math.max(LEAST_TAKEN, roundDown(bytes / 2)));
  if (bytes <= LEAST_TAKEN) return null;
  return { ...size, most, bytes: Math.min(size.bytes, most) };
}

/** A half of what was refused may lie above a limit that is a power of two only by little: whole powers meet it. */
function roundDown(bytes: number): number {
  return 2 ** Math.floor(Math.log2(bytes));
}
