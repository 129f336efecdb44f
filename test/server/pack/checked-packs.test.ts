// Which packs count as read: those of the last hours, as many as are remembered, of the device that sent them.
import { expect, it } from 'vitest';
import { CheckedPacks } from '../../../server/pack/checked-packs.ts';

const HOUR = 3_600_000;

it('counts for some hours, and not where the clock went back', () => {
  let now = 1e12;
  const packs = new CheckedPacks(() => now);
  packs.add('a', 'p');
  expect([packs.has('a', 'p'), packs.has('b', 'p'), packs.has('a', 'q')]).toEqual([true, false, false]);
  now += 5 * HOUR;
  expect(packs.has('a', 'p')).toBe(true);
  now += 2 * HOUR;
  expect(packs.has('a', 'p')).toBe(false);
  now -= 8 * HOUR;
  expect(packs.has('a', 'p')).toBe(false);
});

it('remembers so many, those that were read last, and forgets what it is told to', () => {
  const packs = new CheckedPacks(() => 0, 2);
  for (const id of ['p', 'q', 'p', 'r']) packs.add('a', id);
  expect(['p', 'q', 'r'].map((id) => packs.has('a', id))).toEqual([true, false, true]);
  packs.forget('a', 'r');
  expect(packs.has('a', 'r')).toBe(false);
});
