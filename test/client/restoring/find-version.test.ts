// Which version is meant: the server's order counts, and no clock of a laptop.
import { expect, test } from 'vitest';
import type { VersionsAsked } from '../../../client/http/server-client.ts';
import { findVersion } from '../../../client/restoring/find-version.ts';
import type { VersionSummary } from '../../../shared/protocol.ts';

const path = '/mail.pst';
const version = (sequence: number, id: string, takenAt: string, receivedAt: string) =>
  ({ sequence, id, path, takenAt, receivedAt, complete: true }) as VersionSummary;
// The clock of the device was years ahead for the second, and far behind for the third.
const versions = [
  version(3, 'cccccccc-0000-4000-8000-000000000000', '1999-01-01T00:00:00.000Z', '2026-03-01T00:00:00.000Z'),
  version(2, 'bbbbbbbb-0000-4000-8000-000000000000', '9999-01-01T00:00:00.000Z', '2026-02-01T00:00:00.000Z'),
  version(1, 'aaaaaaaa-0000-4000-8000-000000000000', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z'),
];

/** Answers as a server does, newest first by sequence. */
const server = {
  async *versions(query: VersionsAsked) {
    for (const one of versions) {
      if (query.path !== one.path || !one.id.startsWith(query.id ?? '')) continue;
      if (query.at === undefined || one.receivedAt <= query.at) yield one;
    }
  },
};
const find = (wanted: Parameters<typeof findVersion>[2], names = [path]) =>
  findVersion(
    server,
    names.map((name) => [name]),
    wanted,
  );
const at = (time: string) => ({ at: Date.parse(time) });

test('B1, B2: the newest is the one with the highest sequence, whatever time it is dated', async () => {
  expect((await find({})).sequence).toBe(3);
});

test('B1, B2: at a time it is the newest that the server had received by then', async () => {
  expect((await find(at('2026-02-15T00:00:00Z'))).sequence).toBe(2);
  expect((await find(at('2026-02-01T00:00:00Z'))).sequence).toBe(2);
  expect((await find(at('2026-01-31T23:59:59Z'))).sequence).toBe(1);
  expect((await find(at('9999-12-31T00:00:00Z'))).sequence).toBe(3);
});

test('one by its id, or by enough of it, in any case of letters', async () => {
  expect((await find({ id: versions[2]!.id })).sequence).toBe(1);
  expect((await find({ id: 'AAAAAAAA' })).sequence).toBe(1);
});

test('D3: the first of several names that the server has', async () => {
  expect((await find({}, ['C:\\mail.pst', path])).sequence).toBe(3);
});

test.each([{ id: 'aaaa' }, { id: 'dddddddd' }, { id: '../../etc' }, { id: '' }, at('2025-01-01T00:00:00Z')])(
  'none for %j',
  async (wanted) => {
    await expect(find(wanted)).rejects.toMatchObject({ code: 'not_found' });
  },
);

test('none of a path that the server has not', async () => {
  await expect(find({}, ['/other'])).rejects.toMatchObject({ code: 'not_found' });
});
