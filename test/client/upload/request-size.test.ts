// The size of a request follows the line: what it grows to, what a break and a refusal leave of it.
import { expect, test } from 'vitest';
import {
  afterAnswer,
  afterBreak,
  afterRefusal,
  afterWait,
  FIRST_SIZE,
  type RequestSize,
} from '../../../client/upload/request-size.ts';

const MIB = 1_048_576;

/** Full requests over a line of so many bytes a second, each with a round trip before it. */
function overLine(
  rate: number,
  requests: number,
  roundTripMs = 0,
  from: RequestSize = FIRST_SIZE,
): RequestSize {
  let size = from;
  for (let n = 0; n < requests; n++)
    size = afterAnswer(size, size.bytes, roundTripMs + (size.bytes / rate) * 1_000);
  return size;
}

test('F3: on a quick line requests double up to 8 MiB', () => {
  expect([0, 1, 2, 3, 4].map((n) => overLine(50e6, n).bytes / MIB)).toEqual([1, 2, 4, 8, 8]);
});

test.each([
  ['600 ms there and back', 20e6, 600, 8 * MIB],
  ['1 MB/s', 1e6, 0, 3e6],
  ['300 kB/s', 3e5, 0, MIB],
  ['10 kB/s', 1e4, 0, MIB],
])('F3: over %s requests take about three seconds, or have 1 or 8 MiB', (_, rate, roundTripMs, bytes) => {
  expect(overLine(rate, 30, roundTripMs).bytes).toBeGreaterThan(bytes * 0.95);
  expect(overLine(rate, 30, roundTripMs).bytes).toBeLessThanOrEqual(bytes);
});

test('1.5: where an answer takes long to come, requests take eight times as long, up to 8 s', () => {
  const far = afterWait(afterWait(FIRST_SIZE, 1_200), 600);
  expect(overLine(1e6, 30, 600).bytes).toBeLessThan(2_500_000);
  expect(overLine(1e6, 30, 600, far).bytes).toBeGreaterThan(4_000_000);
  expect(overLine(1e6, 30, 600, far).bytes).toBeLessThan(4_300_000);
  expect(overLine(1e6, 30, 0, afterWait(FIRST_SIZE, 5_000)).bytes).toBeLessThanOrEqual(8e6);
  expect(overLine(1e6, 30, 0, afterWait(FIRST_SIZE, 5)).bytes).toBeLessThanOrEqual(3e6);
});

test('F3: a line that got slow gets smaller requests again', () => {
  const quick = overLine(50e6, 5);
  expect(overLine(1e6, 10, 0, quick).bytes).toBeLessThanOrEqual(3e6);
});

test('F3: the last request of an upload says nothing of a full one', () => {
  expect(afterAnswer(FIRST_SIZE, 20_000, 1).bytes).toBe(MIB);
});

test('F3: a break leaves requests of 1 MiB, and they grow again after four answers', () => {
  let size = overLine(50e6, 5);
  const seen = [];
  for (let n = 0; n < 4; n++) {
    size = afterBreak(size, false);
    seen.push(size.bytes / MIB);
  }
  expect(seen).toEqual([1, 1, 1, 1]);
  expect(overLine(50e6, 4, 0, size).bytes).toBe(MIB);
  expect(overLine(50e6, 5, 0, size).bytes).toBe(2 * MIB);
});

test('F3: one time-out leaves 1 MiB, more in a row leave 128 KiB, from where requests grow as the line does', () => {
  let size = afterBreak(FIRST_SIZE, true);
  expect(size.bytes).toBe(MIB);
  for (let n = 0; n < 9; n++) size = afterBreak(size, true);
  expect(size.bytes).toBe(MIB / 8);
  expect(overLine(1e4, 20, 0, size).bytes).toBe(MIB / 8);
  expect(overLine(50e6, 20, 0, size).bytes).toBe(8 * MIB);
});

test('F1: a refusal halves requests for good, below 1 MiB too, down to where nothing is left', () => {
  const size = afterRefusal(overLine(50e6, 1), 2 * MIB)!;
  expect(size.bytes).toBe(MIB);
  expect(overLine(50e6, 20, 0, size).bytes).toBe(MIB);
  let less: RequestSize | null = size;
  const seen = [];
  for (; less; less = afterRefusal(less, less.bytes)) seen.push(less.bytes / 1_024);
  expect(seen).toEqual([1_024, 512, 256, 128, 64, 32, 16]);
  expect(overLine(50e6, 20, 0, afterRefusal(size, 300_000)!).bytes).toBe(131_072);
});
