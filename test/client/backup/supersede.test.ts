// When a version that waits gives way to a newer state, and when it must not.
import { expect, test } from 'vitest';
import type { BackupState } from '../../../client/backup/backup-states.ts';
import { givesWay } from '../../../client/backup/supersede.ts';
import type { Base } from '../../../client/state/source-registry.ts';
import type { UploadState } from '../../../client/upload/upload-states.ts';

const BASE: Base = { version: 'v1', size: 1_000, root: '', complete: true, fingerprint: '', file: '' };

interface Given {
  readonly state?: BackupState;
  readonly complete?: number;
  readonly base_version?: string | null;
  readonly packs?: { state: UploadState; raw_bytes: number }[];
  readonly base?: Base | null;
}

function given({
  state = 'uploading',
  complete = 1,
  base_version = 'v1',
  packs = [{ state: 'staged', raw_bytes: 100 }],
  base = BASE,
}: Given): boolean {
  return givesWay({ state, complete, base_version, size: 1_000 }, packs, { base });
}

test('a small change of which nothing was sent gives way', () => {
  expect(given({})).toBe(true);
  expect(given({ packs: [] })).toBe(true);
});

test.each<[string, Given]>([
  ['it is being read', { state: 'scanning' }],
  ['it is being committed', { state: 'committing' }],
  ['it is a checkpoint', { complete: 0 }],
  ['it is a first backup', { base_version: null, base: null }],
  ['the server holds a newer one than its base', { base_version: 'v0' }],
  ['a pack is on its way', { packs: [{ state: 'sending', raw_bytes: 100 }] }],
  ['a pack is known to the server', { packs: [{ state: 'known', raw_bytes: 100 }] }],
  ['to make it again would cost a quarter of the source', { packs: [{ state: 'staged', raw_bytes: 250 }] }],
])('not where %s', (_, change) => {
  expect(given(change)).toBe(false);
});
