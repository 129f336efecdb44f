// Probes: started by doubt, ended by a sign of life, and told only when a line that was down is back.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ProbeLoop, probeWaitMs } from '../../../client/line/probe-loop.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function loop(answers: boolean[]) {
  const onBack = vi.fn();
  const probe = vi.fn(async () => answers.shift() ?? false);
  return { probes: new ProbeLoop({ probe, onBack, chance: () => 1 }), probe, onBack };
}
const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1_000);

test('a silence that turns out to be none is not told', async () => {
  const { probes, probe, onBack } = loop([true]);
  probes.suspect(false);
  await seconds(30);
  expect(probe).toHaveBeenCalledTimes(1);
  expect(onBack).not.toHaveBeenCalled();
});

test('a silence with the line down is told when it is back, once', async () => {
  const { probes, probe, onBack } = loop([false, false, true]);
  probes.suspect(false);
  await seconds(30);
  expect(probe).toHaveBeenCalledTimes(3);
  expect(onBack).toHaveBeenCalledTimes(1);
});

test('where a request found no line, the first answer is the sign', async () => {
  const { probes, onBack } = loop([true]);
  probes.suspect(true);
  probes.suspect(true);
  await seconds(1);
  expect(onBack).toHaveBeenCalledTimes(1);
});

test('a sign of life from elsewhere ends the doubt', async () => {
  const { probes, probe, onBack } = loop([false, true]);
  probes.suspect(true);
  await seconds(1);
  probes.trust();
  await seconds(30);
  expect(probe).toHaveBeenCalledTimes(1);
  expect(onBack).not.toHaveBeenCalled();
});

test('a probe that began before a sign of life has nothing to say after it', async () => {
  const answers: ((yes: boolean) => void)[] = [];
  const onBack = vi.fn();
  const probe = () =>
    new Promise<boolean>((resolve) => {
      answers.push(resolve);
    });
  const probes = new ProbeLoop({ probe, onBack, chance: () => 0 });
  probes.suspect(true);
  await seconds(1);
  probes.trust();
  expect(answers).toHaveLength(1);
  for (const answer of answers) answer(true);
  await seconds(1);
  expect(onBack).not.toHaveBeenCalled();
});

test('closed, it never asks again', async () => {
  const { probes, probe } = loop([true]);
  probes.suspect(true);
  probes.close();
  probes.suspect(true);
  await seconds(30);
  expect(probe).not.toHaveBeenCalled();
});

test('the pace is a second for two minutes, then grows to a quarter of a minute at most', () => {
  for (let count = 0; count < 120; count++) expect(probeWaitMs(count, 1)).toBe(1_000);
  const later = Array.from({ length: 60 }, (_, i) => probeWaitMs(120 + i, 1));
  expect(later).toEqual(later.toSorted((a, b) => a - b));
  expect(later.at(-1)).toBe(15_000);
  expect(probeWaitMs(500, 0)).toBe(7_500);
});

/** A loop whose probes are answered by hand. */
function slowLoop() {
  const answers: ((yes: boolean) => void)[] = [];
  const onBack = vi.fn();
  const probe = () =>
    new Promise<boolean>((resolve) => {
      answers.push(resolve);
    });
  return { probes: new ProbeLoop({ probe, onBack, chance: () => 0 }), answers, onBack };
}

test('a probe into a dead line keeps none waiting: the next one finds the line back, a second later', async () => {
  const { probes, answers, onBack } = slowLoop();
  probes.suspect(true);
  await seconds(2);
  expect(answers).toHaveLength(2);
  answers[1]!(true);
  await seconds(0);
  expect(onBack).toHaveBeenCalledTimes(1);
  answers[0]!(false);
  await seconds(30);
  expect(onBack).toHaveBeenCalledTimes(1);
  expect(answers).toHaveLength(2);
});

test('a probe that overtakes another says that the line was down', async () => {
  const { probes, answers, onBack } = slowLoop();
  probes.suspect(false);
  await seconds(2);
  answers[1]!(true);
  await seconds(0);
  expect(onBack).toHaveBeenCalledTimes(1);
});

test('a line that is only slow answers in turn, and nothing is told', async () => {
  const { probes, answers, onBack } = slowLoop();
  probes.suspect(false);
  await seconds(2);
  answers[0]!(true);
  await seconds(30);
  expect(onBack).not.toHaveBeenCalled();
  expect(answers).toHaveLength(2);
});
