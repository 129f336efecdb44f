// The word for a source, as a table: what counts as protected, and why not.
import { describe, expect, test } from 'vitest';
import { goneStep, type ProtectionFacts, protectionOf } from '../../../client/backup/protection.ts';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-06-30T12:00:00Z');
const ago = (days: number) => new Date(NOW - days * DAY_MS).toISOString();
const limits = { now: NOW, protectedDays: 7, goneDays: 7 };

const good: ProtectionFacts = {
  lastReceiptAt: ago(1),
  checkedAt: null,
  mark: 'mark',
  lastFailure: null,
  goneSince: null,
  goneTold: false,
  forgottenAt: null,
  suspect: null,
  queued: false,
  there: true,
  excluded: false,
};
const failing = { code: 'source_locked', message: 'It is locked.' };
const missing = { code: 'source_missing', message: 'It is not there.' };

describe('C3: the word for a source', () => {
  test.each<[string, Partial<ProtectionFacts>, string, string | null]>([
    ['a receipt of yesterday', {}, 'backed-up', null],
    ['and a newer state on its way', { queued: true }, 'queued', null],
    ['a receipt of 7 days ago', { lastReceiptAt: ago(7) }, 'backed-up', null],
    ['a receipt of 12 days ago', { lastReceiptAt: ago(12.5) }, 'stale', 'last receipt 12 days ago'],
    [
      'that, and a newer state on its way',
      { lastReceiptAt: ago(12), queued: true },
      'queued',
      'last receipt 12 days ago',
    ],
    ['that, unchanged yesterday', { lastReceiptAt: ago(400), checkedAt: ago(1) }, 'backed-up', null],
    [
      'a check of before the receipt',
      { lastReceiptAt: ago(8), checkedAt: ago(9) },
      'stale',
      'last receipt 8 days ago',
    ],
    ['never a receipt', { lastReceiptAt: null, mark: null }, 'new', 'no receipt yet'],
    [
      'never a receipt, on its way',
      { lastReceiptAt: null, mark: null, queued: true },
      'queued',
      'no receipt yet',
    ],
    [
      'a check cannot stand for a receipt',
      { lastReceiptAt: null, mark: null, checkedAt: ago(0) },
      'new',
      'no receipt yet',
    ],
    ['learnt from the server, seen unchanged', { lastReceiptAt: null, checkedAt: ago(0) }, 'backed-up', null],
    [
      'learnt from the server alone',
      { lastReceiptAt: null },
      'stale',
      'not looked at since its receipt was learnt from the server',
    ],
    ['a failure', { lastFailure: failing }, 'source_locked', 'It is locked'],
    ['not there at this moment', { there: false }, 'gone', 'gone'],
    [
      'not there since yesterday',
      { goneSince: ago(1), lastFailure: missing },
      'source_missing',
      'gone, first missed 2026-06-29',
    ],
    [
      'not there for long',
      { goneSince: ago(8), lastFailure: missing },
      'gone',
      'gone, first missed 2026-06-22',
    ],
    [
      'forgotten, whatever else',
      { forgottenAt: ago(2), lastFailure: failing },
      'forgotten',
      'forgotten 2026-06-28',
    ],
    ['excluded', { excluded: true }, 'excluded', 'left out by the setting exclude'],
    ['suspect', { suspect: 'it is empty now' }, 'suspect', 'it is empty now'],
    [
      'a clock that was set back',
      { lastReceiptAt: ago(-30) },
      'stale',
      'its last receipt is of a time to come by the clock of this machine',
    ],
  ])('%s', (_, facts, state, why) => {
    expect(protectionOf({ ...good, ...facts }, limits)).toEqual({ state, isProtected: why === null, why });
  });
});

test.each([
  [null, false, 'missing'],
  [ago(6.9), false, 'missing'],
  [ago(7), false, 'gone-now'],
  [ago(7), true, 'gone'],
] as const)('C4: missing since %s, told: %s, is %s', (goneSince, goneTold, step) => {
  expect(goneStep({ goneSince, goneTold }, limits)).toBe(step);
});
