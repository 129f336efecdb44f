// Every cell of the table of backups, written out once more by hand, and what no change of it may break.
import { describe, expect, test } from 'vitest';
import {
  BACKUP_EVENTS,
  BACKUP_STATES,
  BACKUP_TABLE,
  type BackupEvent,
  type BackupState,
  nextBackupState,
} from '../../../client/backup/backup-states.ts';

/** What is possible; everything else is not. */
const EXPECTED: Record<BackupState, Partial<Record<BackupEvent, BackupState>>> = {
  scanning: {
    sealed: 'uploading',
    'cut-short': 'uploading',
    'nothing-sealed': 'abandoned',
    lost: 'abandoned',
    'pack-lost': 'abandoned',
  },
  uploading: {
    'cut-short': 'uploading',
    'packs-known': 'committing',
    'pack-lost': 'abandoned',
    superseded: 'abandoned',
  },
  committing: {
    'packs-missing': 'uploading',
    'cut-short': 'uploading',
    'pack-lost': 'abandoned',
    refused: 'abandoned',
    receipt: 'receipted',
  },
  receipted: {},
  abandoned: {},
};

const cells = BACKUP_STATES.flatMap((state) => BACKUP_EVENTS.map((event) => ({ state, event })));
const ENDS: readonly BackupState[] = ['receipted', 'abandoned'];

test.each(cells)('$state meets $event', ({ state, event }) => {
  const expected = EXPECTED[state][event] ?? null;
  expect(BACKUP_TABLE[state][event]).toBe(expected);
  if (expected) expect(nextBackupState(state, event)).toBe(expected);
  else
    expect(() => nextBackupState(state, event)).toThrow(
      new RangeError(`a backup that is ${state} can't meet ${event}`),
    );
});

test('the lists name every row and every column once', () => {
  expect(new Set(BACKUP_STATES)).toEqual(new Set(Object.keys(BACKUP_TABLE)));
  expect(new Set(BACKUP_STATES).size).toBe(BACKUP_STATES.length);
  for (const row of Object.values(BACKUP_TABLE))
    expect(new Set(Object.keys(row))).toEqual(new Set(BACKUP_EVENTS));
});

describe('what no change may break', () => {
  function reachable(from: BackupState, without: readonly BackupEvent[] = []): Set<BackupState> {
    const seen = new Set([from]);
    for (const state of seen) {
      for (const event of BACKUP_EVENTS) {
        const next = without.includes(event) ? null : BACKUP_TABLE[state][event];
        if (next) seen.add(next);
      }
    }
    return seen;
  }

  const active = BACKUP_STATES.filter((state) => !ENDS.includes(state));

  test.each(active)('%s can come to either end', (state) => {
    for (const end of ENDS) expect(reachable(state)).toContain(end);
  });

  test.each(active)('%s can be given up when a pack of it is lost', (state) => {
    expect(BACKUP_TABLE[state]['pack-lost']).toBe('abandoned');
  });

  test.each(ENDS)('nothing leads out of %s', (state) => {
    expect(Object.values(BACKUP_TABLE[state]).filter((next) => next !== null)).toEqual([]);
  });

  test('a backup is receipted by a receipt alone, and only when it was asked for', () => {
    for (const { state, event } of cells) {
      if (BACKUP_TABLE[state][event] === 'receipted')
        expect([state, event]).toEqual(['committing', 'receipt']);
    }
    expect(reachable('scanning', ['receipt'])).not.toContain('receipted');
    expect(reachable('scanning', ['packs-known'])).not.toContain('committing');
  });

  test('every state can be come to from the first', () => {
    expect(reachable('scanning')).toEqual(new Set(BACKUP_STATES));
  });
});
