// What the sender does next: case by case, and that nothing is ever forgotten or done twice.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BackupState } from '../../../client/backup/backup-states.ts';
import { LONGEST_WAIT_MS, packKey, sendPlan } from '../../../client/upload/send-plan.ts';

interface Given {
  readonly failure?: string;
  readonly lost?: boolean;
  /** A pack is one of its own unless told. */
  readonly id?: string;
  /** A backup is of a source of its own unless told. */
  readonly source?: number;
}

const pack = (backup_id: string, number: number, next_attempt_at = 0, { failure, lost, id }: Given = {}) => ({
  backup_id,
  number,
  id: id ?? `pack of ${backup_id}/${number}`,
  state: lost ? ('lost' as const) : ('staged' as const),
  next_attempt_at,
  failure: failure ?? null,
});
const backup = (id: string, state: BackupState, next_attempt_at = 0, { failure, source }: Given = {}) => ({
  id,
  source_id: source ?? Buffer.from(id).readUIntBE(0, Math.min(6, id.length)),
  state,
  next_attempt_at,
  failure: failure ?? null,
});
const NOW = 1_000;

describe('case by case', () => {
  test('a pack that two backups hold is sent once, and neither is at rest before it is known', () => {
    const waiting = [pack('a', 0, 0, { id: 'same' }), pack('b', 0, 0, { id: 'same' }), pack('b', 1)];
    const active = [backup('a', 'uploading'), backup('b', 'uploading')];
    const plan = sendPlan({ waiting, active }, new Set(), NOW);
    expect(plan.send).toEqual([waiting[0], waiting[2]]);
    expect(plan.idle).toBe(false);
    expect(sendPlan({ waiting, active }, new Set(['a/0']), NOW).send).toEqual([waiting[2]]);
  });

  test('whoever waits for a pack that only a person can get sent is left to that person too', () => {
    const waiting = [
      pack('a', 0, 5_000, { id: 'same', failure: 'unauthorized' }),
      pack('b', 0, 0, { id: 'same' }),
    ];
    const active = [backup('a', 'uploading'), backup('b', 'uploading')];
    const plan = sendPlan({ waiting, active }, new Set(), NOW);
    expect(plan.send).toEqual([]);
    expect(plan.idle).toBe(true);
  });

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

  test('sends the packs of a source that is still being read, and never commits it', () => {
    const plan = sendPlan({ waiting: [pack('a', 0)], active: [backup('a', 'scanning')] }, new Set(), NOW);
    expect(plan).toMatchObject({ send: [pack('a', 0)], commit: [], idle: false });
  });

  test('due is what is due now', () => {
    const plan = sendPlan({ waiting: [pack('a', 0, NOW)], active: [] }, new Set(), NOW);
    expect(plan).toMatchObject({ send: [pack('a', 0, NOW)], wakeAt: null });
  });

  test('versions of one source are committed in the order they were taken in', () => {
    const older = backup('a', 'uploading', 5_000, { source: 1 });
    const newer = backup('b', 'uploading', 0, { source: 1 });
    const other = backup('c', 'uploading', 0, { source: 2 });
    expect(sendPlan({ waiting: [], active: [older, newer, other] }, new Set(), NOW).commit).toEqual([other]);
    expect(sendPlan({ waiting: [], active: [older, newer] }, new Set(), 5_000).commit).toEqual([older]);
    expect(sendPlan({ waiting: [pack('a', 0)], active: [older, newer] }, new Set(), NOW).commit).toEqual([]);
  });

  test('a backup that lost a pack is cut, and none of its packs is sent before that', () => {
    const waiting = [pack('a', 0), pack('a', 1, 0, { lost: true }), pack('b', 0)];
    const active = [backup('a', 'uploading'), backup('b', 'uploading')];
    const plan = sendPlan({ waiting, active }, new Set(), NOW);
    expect(plan).toMatchObject({ cut: [active[0]], send: [waiting[2]], commit: [], idle: false });
    expect(sendPlan({ waiting, active }, new Set(['a']), NOW)).toMatchObject({ cut: [], idle: false });
  });

  test('while a source is read, its reader sees to a lost pack', () => {
    const plan = sendPlan(
      { waiting: [pack('a', 0, 0, { lost: true })], active: [backup('a', 'scanning')] },
      new Set(),
      NOW,
    );
    expect(plan).toMatchObject({ cut: [], send: [], idle: true });
  });

  test('nobody waits for what only a person can mend, though it is tried again', () => {
    const stuckCommit = [backup('a', 'committing', 9_000, { failure: 'receipt_invalid' })];
    expect(sendPlan({ waiting: [], active: stuckCommit }, new Set(), NOW)).toMatchObject({
      idle: true,
      wakeAt: 9_000,
    });
    const stuckPack = [pack('a', 0, 9_000, { failure: 'unauthorized' })];
    const active = [backup('a', 'uploading')];
    expect(sendPlan({ waiting: stuckPack, active }, new Set(), NOW).idle).toBe(true);
    expect(sendPlan({ waiting: stuckPack, active }, new Set(), 9_000)).toMatchObject({
      idle: false,
      send: stuckPack,
    });
    const noLine = [pack('a', 0, 9_000, { failure: 'unreachable' })];
    expect(sendPlan({ waiting: noLine, active }, new Set(), NOW).idle).toBe(false);
  });

  test('what waits longer than anything may was postponed by another clock, and is due', () => {
    const waiting = [pack('a', 0, NOW + LONGEST_WAIT_MS), pack('b', 0, NOW + LONGEST_WAIT_MS + 1)];
    const plan = sendPlan({ waiting, active: [] }, new Set(), NOW);
    expect(plan).toMatchObject({ send: [waiting[1]], wakeAt: NOW + LONGEST_WAIT_MS });
  });

  test('wakes for the first of what was put off, be it a pack or a commit', () => {
    const waiting = [pack('a', 0, 9_000)];
    const active = [backup('a', 'uploading'), backup('b', 'committing', 7_000)];
    expect(sendPlan({ waiting, active }, new Set(), NOW).wakeAt).toBe(7_000);
  });
});

const queue = fc
  .array(
    fc.record({
      state: fc.constantFrom<BackupState>('scanning', 'uploading', 'committing'),
      at: fc.nat(2_000),
      packs: fc.array(fc.nat(2_000), { maxLength: 4 }),
    }),
    { maxLength: 6 },
  )
  .map((list) => ({
    active: list.map(({ state, at }, i) => backup(`b${i}`, state, at)),
    waiting: list.flatMap(({ packs }, i) => packs.map((at, number) => pack(`b${i}`, number, at))),
  }));

/** A queue, and some of it under way. */
const situation = queue.chain((rows) => {
  const keys = [...rows.waiting.map(packKey), ...rows.active.map(({ id }) => id)];
  return fc.record({
    rows: fc.constant(rows),
    busy: fc.subarray(keys).map((some) => new Set(some)),
  });
});

describe('whatever is in the queue', () => {
  test('nothing that is under way is started again', () => {
    fc.assert(
      fc.property(situation, ({ rows, busy }) => {
        const plan = sendPlan(rows, busy, NOW);
        for (const each of plan.send) expect(busy).not.toContain(packKey(each));
        for (const each of plan.commit) expect(busy).not.toContain(each.id);
      }),
    );
  });

  test('a commit is asked for only when every pack is known and everything is read', () => {
    fc.assert(
      fc.property(situation, ({ rows, busy }) => {
        for (const { id, state } of sendPlan(rows, busy, NOW).commit) {
          expect(rows.waiting.some((each) => each.backup_id === id)).toBe(false);
          expect(state).not.toBe('scanning');
        }
      }),
    );
  });

  test('nothing is forgotten: what is not done now is under way, or is woken for', () => {
    fc.assert(
      fc.property(situation, ({ rows, busy }) => {
        const plan = sendPlan(rows, busy, NOW);
        const stuck = !plan.idle && plan.send.length + plan.commit.length === 0 && busy.size === 0;
        if (stuck) expect(plan.wakeAt).toBeGreaterThan(NOW);
        for (const each of rows.waiting) {
          const now = plan.send.includes(each) || busy.has(packKey(each));
          if (!now) expect(plan.wakeAt).toBeLessThanOrEqual(each.next_attempt_at);
        }
      }),
    );
  });

  test('time alone brings every pack and every commit on', () => {
    fc.assert(
      fc.property(queue, (rows) => {
        const { send, commit, wakeAt } = sendPlan(rows, new Set(), 2_000);
        expect(send).toEqual(rows.waiting);
        const whole = rows.active.filter(
          ({ id, state }) => state !== 'scanning' && !rows.waiting.some((each) => each.backup_id === id),
        );
        expect(commit).toEqual(whole);
        expect(wakeAt).toBeNull();
      }),
    );
  });
});
