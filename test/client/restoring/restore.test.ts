// Which version is restored.
import { expect, test } from 'vitest';
import { chooseVersion } from '../../../client/restoring/restore.ts';
import type { VersionSummary } from '../../../shared/protocol.ts';

const version = (id: string, takenAt: string, complete = true) =>
  ({ id, takenAt, complete }) as VersionSummary;
const versions = [
  version('cccccccc-0000-4000-8000-000000000000', '2026-03-01T00:00:00Z', false),
  version('bbbbbbbb-0000-4000-8000-000000000000', '2026-02-01T00:00:00Z'),
  version('aaaaaaaa-0000-4000-8000-000000000000', '2026-01-01T00:00:00Z'),
];
const path = '/mail.pst';

test('the newest that is complete', () => {
  expect(chooseVersion(versions, { path }).id).toMatch(/^b/);
});

test('the newest at a time', () => {
  expect(chooseVersion(versions, { path, at: Date.parse('2026-01-15T00:00:00Z') }).id).toMatch(/^a/);
  expect(chooseVersion(versions, { path, at: Date.parse('2026-02-01T00:00:00Z') }).id).toMatch(/^b/);
});

test('one by its id, or by enough of it', () => {
  expect(chooseVersion(versions, { path, id: versions[2]!.id })).toBe(versions[2]);
  expect(chooseVersion(versions, { path, id: 'aaaaaaaa' })).toBe(versions[2]);
});

test.each([
  { id: 'aaaa' },
  { id: 'cccccccc-0000-4000-8000-000000000000' },
  { at: Date.parse('2025-01-01T00:00:00Z') },
])('none for %j', (choice) => {
  expect(() => chooseVersion(versions, { path, ...choice })).toThrow(
    expect.objectContaining({ code: 'not_found' }),
  );
});
