// Every cell of the table of uploads, written out once more by hand, and what no change of it may break.
import { describe, expect, test } from 'vitest';
import {
  nextUploadState,
  UPLOAD_EVENTS,
  UPLOAD_STATES,
  UPLOAD_TABLE,
  type UploadEvent,
  type UploadState,
} from '../../../client/upload/upload-states.ts';

/** In the order of UPLOAD_EVENTS: created, acknowledged, gone, missing, damaged. */
const EXPECTED: Record<UploadState, (UploadState | null)[]> = {
  staged: ['sending', 'known', 'staged', 'staged', 'lost'],
  sending: ['sending', 'known', 'staged', 'staged', 'lost'],
  known: [null, 'known', null, 'staged', null],
  lost: [null, null, null, 'lost', 'lost'],
};

const cells = UPLOAD_STATES.flatMap((state) => UPLOAD_EVENTS.map((event) => ({ state, event })));

test.each(cells)('$state meets $event', ({ state, event }) => {
  const expected = EXPECTED[state][UPLOAD_EVENTS.indexOf(event)]!;
  expect(UPLOAD_TABLE[state][event]).toBe(expected);
  if (expected) expect(nextUploadState(state, event)).toBe(expected);
  else
    expect(() => nextUploadState(state, event)).toThrow(
      new RangeError(`an upload that is ${state} can't meet ${event}`),
    );
});

test('the lists name every row and every column once', () => {
  expect(new Set(UPLOAD_STATES)).toEqual(new Set(Object.keys(UPLOAD_TABLE)));
  expect(new Set(UPLOAD_STATES).size).toBe(UPLOAD_STATES.length);
  for (const row of Object.values(UPLOAD_TABLE))
    expect(new Set(Object.keys(row))).toEqual(new Set(UPLOAD_EVENTS));
});

describe('what no change may break', () => {
  function reachable(from: UploadState, without: readonly UploadEvent[] = []): Set<UploadState> {
    const seen = new Set([from]);
    for (const state of seen) {
      for (const event of UPLOAD_EVENTS) {
        const next = without.includes(event) ? null : UPLOAD_TABLE[state][event];
        if (next) seen.add(next);
      }
    }
    return seen;
  }

  test.each(['staged', 'sending'] as const)('%s can come to be known', (state) => {
    expect(reachable(state)).toContain('known');
  });

  test('lost is an end', () => {
    expect(reachable('lost')).toEqual(new Set(['lost']));
  });

  test('a pack is known by an acknowledgement alone', () => {
    for (const { state, event } of cells) {
      if (state !== 'known' && UPLOAD_TABLE[state][event] === 'known') expect(event).toBe('acknowledged');
    }
    expect(reachable('staged', ['acknowledged'])).not.toContain('known');
  });

  test('nothing but 404, 410 or the word of the server starts a pack over', () => {
    for (const { state, event } of cells) {
      if (state !== 'staged' && UPLOAD_TABLE[state][event] === 'staged')
        expect(['gone', 'missing']).toContain(event);
    }
  });

  test('what the server said may be said twice: answers get lost', () => {
    for (const { state, event } of cells) {
      const next = UPLOAD_TABLE[state][event];
      if (next && event !== 'gone') expect(UPLOAD_TABLE[next][event]).toBe(next);
    }
  });
});
