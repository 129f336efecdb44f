// How long the event loop was held up: told whenever it happens, also in the moment in which one look ends and the next begins.
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { LoopWatch } from '../../server/loop-delay.ts';

const LOOK_MS = 1_000;

function holdUp(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test.each([0, 300, 600, 900])(
  'H2: a loop that is held up %d ms after a look began is told, once',
  async (after) => {
    const warnings: number[] = [];
    const began = performance.now();
    const watch = new LoopWatch(
      { warn: ({ eventLoop }: { eventLoop: { max: number } }) => warnings.push(eventLoop.max) } as never,
      LOOK_MS,
    );
    onTestFinished(() => watch.close());
    await pause(LOOK_MS + after);
    // Over the end of the look where it begins late in it.
    holdUp(500);
    await expect.poll(() => watch.delay.max).toBeGreaterThan(400);
    await pause(2 * LOOK_MS - ((performance.now() - began) % LOOK_MS));
    // A machine that is busy with something else may hold it up as well, but not for so long.
    expect(warnings.filter((ms) => ms > 400)).toHaveLength(1);
  },
);
