// What the sender does next, case by case.
import { expect, test } from 'vitest';
import { packKey, sendPlan } from '../../client/send-plan.ts';

const pack = (backup_id: string, number: number, next_attempt_at = 0) => ({
  backup_id,
  number,
  state: 'staged' as const,
  next_attempt_at,
});
const backup = (id: string, state: 'scanning' | 'uploading' | 'committing', next_attempt_at = 0) => ({
  id,
  state,
  next_attempt_at,
});
const NOW = 1_000;

test('sends what is due, commits only what is known whole, and wakes for the rest', () => {
  const waiting = [pack('a', 0), pack('a', 1, 5_000)];
  const active = [backup('a', 'uploading'), backup('b', 'uploading'), backup('c', 'scanning')];
  const plan = sendPlan({ waiting, active }, new Set(), NOW);
  expect(plan.send).toEqual([waiting[0]]);
  expect(plan.commit).toEqual([active[1]]);
  expect(plan.wakeAt).toBe(5_000);
  expect(plan.idle).toBe(false);
});

test('does nothing twice', () => {
  const waiting = [pack('a', 0)];
  const active = [backup('a', 'uploading'), backup('b', 'committing')];
  const plan = sendPlan({ waiting, active }, new Set([packKey(waiting[0]!), 'b']), NOW);
  expect(plan).toMatchObject({ send: [], commit: [], wakeAt: null, idle: false });
});

test('is idle when only reading is left', () => {
  expect(sendPlan({ waiting: [], active: [backup('a', 'scanning')] }, new Set(), NOW).idle).toBe(true);
  expect(sendPlan({ waiting: [], active: [] }, new Set(['x']), NOW).idle).toBe(false);
});
