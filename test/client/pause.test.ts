// A pause ends when it is over, or when the work is stopped, and leaves nothing behind.
import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { pause } from '../../client/pause.ts';

test('ends by itself', async () => {
  const stop = new AbortController();
  await pause(1, stop.signal);
  expect(stop.signal.aborted).toBe(false);
});

test('ends at once when the work is stopped, or was stopped before', async () => {
  const stop = new AbortController();
  const pausing = pause(60_000, stop.signal);
  stop.abort();
  await pausing;
  await pause(60_000, stop.signal);
});

test('a thousand pauses leave no listener', async () => {
  const stop = new AbortController();
  await Promise.all(Array.from({ length: 1_000 }, () => pause(0, stop.signal)));
  expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
});
