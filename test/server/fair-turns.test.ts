// Turns between devices: who sends much waits for himself, and not the others for him.
import { expect, test } from 'vitest';
import { FairTurns } from '../../server/fair-turns.ts';

const rest = () => new Promise((resolve) => setTimeout(resolve, 1));

test('H3: of sixty heavy packs of one device an honest one of another waits for one', async () => {
  const turns = new FairTurns();
  const order: string[] = [];
  const take = (name: string, weight: number, actual = weight) =>
    turns.take(name, weight, async (cost) => {
      await rest();
      order.push(name);
      cost(actual);
    });
  const heavy = Array.from({ length: 60 }, () => take('heavy', 30, 512_000_000));
  await rest();
  await take('honest', 1_000_000);
  expect(order.filter((name) => name === 'heavy').length).toBeLessThanOrEqual(2);
  // What comes later of it waits for the one that is under way then, and for no other.
  for (let n = 0; n < 5; n++) await take('honest', 1_000_000);
  expect(order.filter((name) => name === 'heavy').length).toBeLessThanOrEqual(7);
  await Promise.all(heavy);
  expect(order).toHaveLength(66);
});

test('H3: each of many devices gets as much as the others, and nobody starves', async () => {
  const turns = new FairTurns();
  const order: string[] = [];
  const all = ['a', 'b', 'c'].flatMap((name, at) =>
    Array.from({ length: 8 }, () =>
      turns.take(name, 10 * 2 ** at, async () => {
        await rest();
        order.push(name);
      }),
    ),
  );
  await Promise.all(all);
  // By the time that the lightest is done with its eight, the next has had four, and the heaviest two.
  const until = order.slice(0, order.lastIndexOf('a') + 1);
  expect(until.filter((name) => name === 'b').length).toBeGreaterThanOrEqual(3);
  expect(until.filter((name) => name === 'c').length).toBeGreaterThanOrEqual(2);
  expect(until.filter((name) => name === 'c').length).toBeLessThanOrEqual(3);
  expect(order).toHaveLength(24);
});

test('H3: one at a time, a failure ends its turn alone, and an order of arrival holds within a device', async () => {
  const turns = new FairTurns();
  const order: number[] = [];
  let running = 0;
  const take = (n: number) =>
    turns.take('one', 1, async () => {
      expect(++running).toBe(1);
      await rest();
      running--;
      order.push(n);
      if (n === 1) throw new Error('no');
    });
  const done = await Promise.allSettled([0, 1, 2, 3].map(take));
  expect(done.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  expect(order).toEqual([0, 1, 2, 3]);
});
