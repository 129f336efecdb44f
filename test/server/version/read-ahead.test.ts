// Reading ahead: how much is begun before it is asked for, by one and by many, and that all of it is given back.
import { expect, test } from 'vitest';
import { ReadAhead } from '../../../server/version/read-ahead.ts';

const LIMITS = { each: 3, ofAll: 5 };

/** A series of `count` reads whose results are their numbers, but for `broken`; and how many were begun. */
function series(count: number, broken = -1) {
  const begun = { count: 0 };
  async function* reads(): AsyncGenerator<() => Promise<number>> {
    for (let at = 0; at < count; at++) {
      yield async () => {
        begun.count++;
        if (at === broken) throw new Error('no disk');
        return at;
      };
    }
  }
  return { begun, reads: reads() };
}

async function all(results: AsyncIterable<number>): Promise<number[]> {
  const got: number[] = [];
  for await (const result of results) got.push(result);
  return got;
}

test.each([0, 1, 2, 3, 10])('%i results come in order, and then the end', async (count) => {
  const { reads } = series(count);
  expect(await all(new ReadAhead(LIMITS).over(reads))).toEqual(Array.from({ length: count }, (_, at) => at));
});

test('a series begins what it may, many together what all may, and each at least one', async () => {
  const ahead = new ReadAhead(LIMITS);
  const begin = async () => {
    const { begun, reads } = series(10);
    const results = ahead.over(reads);
    expect((await results.next()).value).toBe(0);
    return { begun, results };
  };
  // One of those begun was given out.
  const first = await begin();
  expect(first.begun.count).toBe(3);
  const others = [await begin(), await begin(), await begin()];
  expect(others.map(({ begun }) => begun.count)).toEqual([3, 1, 1]);
  for (const { results } of [first, ...others]) await results.return(undefined);
  expect((await begin()).begun.count).toBe(3);
});

test('a failure is met where its result is due, and gives back what was begun after it', async () => {
  const ahead = new ReadAhead(LIMITS);
  for (let n = 0; n < 4; n++) {
    const results = ahead.over(series(10, 1).reads);
    expect((await results.next()).value).toBe(0);
    await expect(results.next()).rejects.toThrow('no disk');
  }
  const { begun, reads } = series(10);
  await ahead.over(reads).next();
  expect(begun.count).toBe(3);
});
