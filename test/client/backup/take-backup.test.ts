// What is refused before a backup begins: nothing of it gets into the queue or into staging.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { takeBackup, type Workshop } from '../../../client/backup/take-backup.ts';
import type { Device } from '../../../client/device.ts';
import type { Snapshot } from '../../../client/snapshot/snapshot.ts';
import type { Source } from '../../../client/state/source-registry.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** Anything that a backup does with its device or its workshop would throw: there is none. */
const NOTHING = {} as Device & Workshop;

function take(kind: Source['kind'], frozen: string, snapshot: Snapshot['kind']) {
  const source = { id: 1, path: 'C:\\mail\\box', kind, base: null } as unknown as Source;
  const taken = { kind: snapshot, pathOf: async () => frozen } as unknown as Snapshot;
  return takeBackup(NOTHING, source, taken, NOTHING);
}

test('an OST that Windows emptied in its snapshot is refused, not kept as an empty version', async () => {
  const empty = join(tempDir(), 'empty.ost');
  writeFileSync(empty, '');
  await expect(take('ost', empty, 'vss')).rejects.toMatchObject({
    code: 'snapshot_unavailable',
    message: expect.stringContaining('left out of snapshots by Windows'),
  });
});

test.each<[Source['kind'], Snapshot['kind'], number]>([
  ['ost', 'vss', 10],
  ['ost', 'live', 0],
  ['pst', 'vss', 0],
])('of a %s in a %s snapshot %d bytes are no reason to refuse it', async (kind, snapshot, bytes) => {
  const file = join(tempDir(), 'box');
  writeFileSync(file, Buffer.alloc(bytes));
  // It goes on until it wants the device.
  await expect(take(kind, file, snapshot)).rejects.toThrow(TypeError);
});

test('what is not there, or can be opened but not read, has its own code', async () => {
  const folder = join(tempDir(), 'folder');
  mkdirSync(folder);
  await expect(take('pst', join(folder, 'none.pst'), 'live')).rejects.toMatchObject({
    code: 'source_missing',
    message: 'C:\\mail\\box is not there.',
  });
});
