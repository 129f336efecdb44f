// When a look is due: every rule of planLook as a row, and its laws as properties.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  happened,
  type LookState,
  looked,
  NEVER_LOOKED,
  planLook,
  type Reason,
} from '../../../client/triggers/look-plan.ts';

const MINUTE = 60_000;
const settings = { everyMs: 15 * MINUTE, minimumMs: 2 * MINUTE };
const T = Date.UTC(2026, 10, 24, 12);
const after = (lastLookAt: number | null, ...pending: [Reason, number][]): LookState => ({
  lastLookAt,
  pending: new Map(pending),
});

test.each([
  ['the first look', NEVER_LOOKED, T, ['start']],
  ['the first look, asked for', after(null, ['asked', T]), T, ['start', 'asked']],
  ['nothing happens', after(T), T + MINUTE, T + 15 * MINUTE],
  ['the schedule', after(T), T + 15 * MINUTE, ['schedule']],
  ['the schedule passed long ago, in sleep', after(T), T + 999 * MINUTE, ['schedule']],
  ['a reason within the minimum', after(T, ['unlock', T + 10_000]), T + 20_000, T + 2 * MINUTE],
  ['a reason at the minimum', after(T, ['unlock', T + 10_000]), T + 2 * MINUTE, ['unlock']],
  [
    'a reason that has to settle',
    after(T, ['resume', T + 5 * MINUTE]),
    T + 5 * MINUTE,
    T + 5 * MINUTE + 10_000,
  ],
  ['a reason that settled', after(T, ['resume', T + 5 * MINUTE]), T + 5 * MINUTE + 10_000, ['resume']],
  [
    'Outlook starts: now, before it writes',
    after(T, ['mail-program-started', T + 5 * MINUTE]),
    T + 5 * MINUTE,
    ['mail-program-started'],
  ],
  [
    'two reasons, one settled: both are dealt with',
    after(T, ['logon', T + 5 * MINUTE], ['network-up', T + 5 * MINUTE]),
    T + 5 * MINUTE + 5_000,
    ['logon', 'network-up'],
  ],
  ['a person asks: no minimum', after(T, ['asked', T + 1_000]), T + 1_000, ['asked']],
  ['the clock was set back', after(T), T - 1, ['schedule']],
  [
    'a reason from a future that was taken back',
    after(T, ['unlock', T + 99 * MINUTE]),
    T + 3 * MINUTE,
    T + 3 * MINUTE + 5_000,
  ],
])('%s', (_, state, now, expected) => {
  expect(planLook(state, settings, now)).toEqual(
    typeof expected === 'number' ? { look: 'later', at: expected } : { look: 'now', reasons: expected },
  );
});

test('a reason that goes on coming up does not put the look off', () => {
  const once = happened(after(T), 'network-up', T + 5 * MINUTE);
  expect(happened(once, 'network-up', T + 6 * MINUTE)).toBe(once);
});

test('what came up before a look is dealt with, what came up during it is not', () => {
  const state = after(T, ['unlock', T + 10], ['resume', T + 20]);
  expect(looked(state, { began: T + 15, ended: T + 30 })).toEqual(after(T + 30, ['resume', T + 20]));
});

test('a clock that was set back keeps nothing: what came up before it is dealt with by the look after it', () => {
  const state = after(T, ['asked', T + 60_000]);
  expect(looked(state, { began: T + 10, ended: T + 20 })).toEqual(after(T + 20));
});

test('a minimum longer than the schedule holds for the schedule too', () => {
  const rare = { everyMs: MINUTE, minimumMs: 10 * MINUTE };
  expect(planLook(after(T), rare, T + 5 * MINUTE)).toEqual({ look: 'later', at: T + 10 * MINUTE });
});

const reasons = fc.constantFrom<Reason>('unlock', 'logon', 'resume', 'network-up', 'mail-program-ended');
const event = fc.record({ reason: reasons, gap: fc.nat(20 * MINUTE) });

test('whatever happens: looks are apart by the minimum, no further than the schedule, and no reason is lost', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      let state = looked(NEVER_LOOKED, { began: T, ended: T });
      let now = T;
      const looks = [T];
      const settle = (until: number) => {
        for (;;) {
          const plan = planLook(state, settings, now);
          if (plan.look === 'now') {
            looks.push(now);
            state = looked(state, { began: now, ended: now });
          } else if (plan.at <= until) now = plan.at;
          else break;
        }
        now = Math.max(now, until);
      };
      for (const { reason, gap } of events) {
        settle(now + gap);
        state = happened(state, reason, now);
      }
      settle(now + settings.everyMs);
      for (let at = 1; at < looks.length; at++) {
        expect(looks[at]! - looks[at - 1]!).toBeGreaterThanOrEqual(settings.minimumMs);
        expect(looks[at]! - looks[at - 1]!).toBeLessThanOrEqual(settings.everyMs);
      }
      expect(state.pending.size).toBe(0);
    }),
  );
});
