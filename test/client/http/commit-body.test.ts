// The body of a commit is the JSON that it would be as one text, whatever its fields and however long its list.
import { expect, test } from 'vitest';
import { commitBody } from '../../../client/http/commit-body.ts';
import type { CommittedVersion } from '../../../shared/protocol.ts';
import { randomBytes, seededRandom } from '../../support/random.ts';

const FIELDS: CommittedVersion = {
  path: 'C:\\Mail\\"Zoë" \u{1f4ec}.pst',
  kind: 'pst',
  base: null,
  complete: true,
  size: 1,
  mtime: '2026-01-01T00:00:00.000Z',
  takenAt: '2026-01-01T00:00:00.000Z',
  sha256: null,
  root: 'ab',
  snapshot: 'live',
  health: 'clean',
  healthNotes: ['"}', 'changes":""}'],
};

test.each([0, 1, 2, 3, 49_151, 49_152, 49_153, 98_304, 200_000])('%d bytes of changes', (length) => {
  // Not at the beginning of its memory, as a view is not.
  const changes = randomBytes(seededRandom(length), length + 7).subarray(7);
  const text = Buffer.from(commitBody(FIELDS, changes)).toString();
  expect(text).toBe(JSON.stringify({ ...FIELDS, changes: Buffer.from(changes).toString('base64') }));
});
