// Every cell of both tables: what is possible leads on, what is not is refused, and every life comes to an end.
import { describe, expect, test } from 'vitest';
import { BACKUP_EVENTS, BACKUP_STATES, BACKUP_TABLE, nextBackupState } from '../../client/backup-states.ts';
import { nextUploadState, UPLOAD_EVENTS, UPLOAD_STATES, UPLOAD_TABLE } from '../../client/upload-states.ts';

function reachable<S extends string, E extends string>(
  table: Record<S, Record<E, S | null>>,
  from: S,
): Set<S> {
  const seen = new Set<S>([from]);
  for (const state of seen) {
    for (const next of Object.values(table[state]) as (S | null)[]) if (next) seen.add(next);
  }
  return seen;
}

describe('backups', () => {
  const cells = BACKUP_STATES.flatMap((state) => BACKUP_EVENTS.map((event) => ({ state, event })));
  test.each(cells)('$state meets $event', ({ state, event }) => {
    const next = BACKUP_TABLE[state][event];
    if (next) expect(nextBackupState(state, event)).toBe(next);
    else expect(() => nextBackupState(state, event)).toThrow(RangeError);
  });

  test.each(['scanning', 'uploading', 'committing'] as const)('%s comes to an end', (state) => {
    const seen = reachable(BACKUP_TABLE, state);
    expect(seen).toContain('receipted');
    expect(seen).toContain('abandoned');
  });

  test.each(['receipted', 'abandoned'] as const)('%s is an end', (state) => {
    expect(reachable(BACKUP_TABLE, state)).toEqual(new Set([state]));
  });

  test('only a receipt makes a backup receipted', () => {
    for (const { state, event } of cells) {
      if (BACKUP_TABLE[state][event] === 'receipted')
        expect([state, event]).toEqual(['committing', 'receipt']);
    }
  });
});

describe('uploads', () => {
  const cells = UPLOAD_STATES.flatMap((state) => UPLOAD_EVENTS.map((event) => ({ state, event })));
  test.each(cells)('$state meets $event', ({ state, event }) => {
    const next = UPLOAD_TABLE[state][event];
    if (next) expect(nextUploadState(state, event)).toBe(next);
    else expect(() => nextUploadState(state, event)).toThrow(RangeError);
  });

  test('nothing but 404, 410 or the word of the server starts a pack over', () => {
    const over = cells.filter(
      ({ state, event }) => state !== 'staged' && UPLOAD_TABLE[state][event] === 'staged',
    );
    expect(new Set(over.map(({ event }) => event))).toEqual(new Set(['gone', 'missing']));
  });
});
