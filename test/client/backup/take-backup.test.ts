// What is refused before a backup begins: nothing of it gets into the queue or into staging.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LeftOut } from '../../../client/backup/left-out.ts';
import { takeBackup, type Workshop } from '../../../client/backup/take-backup.ts';
import type { Device } from '../../../client/device.ts';
import type { Snapshot } from '../../../client/snapshot/snapshot.ts';
import type { Source } from '../../../client/state/source-registry.ts';
import { Failure } from '../../../shared/failure.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** Anything else that a backup does with its device or its workshop would throw: there is none. */
const nothing = (leftOut = new LeftOut()) => ({ leftOut }) as unknown as Device & Workshop;

const sourceAt = (path: string, kind: Source['kind']) =>
  ({ id: 1, path, kind, base: null }) as unknown as Source;

function take(kind: Source['kind'], frozen: string, snapshot: Snapshot['kind']) {
  const taken = { kind: snapshot, pathOf: async () => frozen } as unknown as Snapshot;
  return takeBackup(nothing(), sourceAt('C:\\mail\\box', kind), taken, nothing());
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

describe('a source that is not in its snapshot', () => {
  /** Its backup out of a snapshot without it; `judged`: what the snapshot makes of that. */
  async function missing(
    kind: Source['kind'],
    more: { live: boolean; judged?: Failure; snapshot?: Snapshot['kind'] },
  ) {
    const folder = tempDir();
    const path = join(folder, 'box');
    if (more.live) writeFileSync(path, 'mail');
    const leftOut = new LeftOut();
    const snapshot = {
      kind: more.snapshot ?? 'vss',
      pathOf: async () => join(folder, 'shadow', 'box'),
      judge: async (failure: Failure) => more.judged ?? failure,
    } as unknown as Snapshot;
    const source = sourceAt(path, kind);
    const take = () =>
      takeBackup(nothing(leftOut), source, snapshot, nothing()).catch((error: Failure) => error);
    return { path, failure: await take(), take, stays: () => leftOut.stays(source) };
  }

  test('and is an OST that is there was left out by Windows: no snapshot for it alone any more', async () => {
    const { path, failure, stays } = await missing('ost', { live: true });
    expect(failure).toMatchObject({
      code: 'snapshot_unavailable',
      message: `${path} is left out of snapshots by Windows.`,
    });
    expect(stays()).toBe(true);
  });

  test.each(['pst', 'mail-client', 'file'] as const)(
    'and is a %s that is there is said to be so; it is looked for once more',
    async (kind) => {
      const { failure, take, stays } = await missing(kind, { live: true, snapshot: 'btrfs' });
      expect(failure).toMatchObject({
        code: 'snapshot_unavailable',
        message: expect.stringMatching(/is there, but not in the snapshot of its volume: it came after that/),
      });
      expect(stays()).toBe(false);
      await take();
      expect(stays()).toBe(true);
    },
  );

  test('and is nowhere else is missing', async () => {
    const { path, failure, stays } = await missing('ost', { live: false });
    expect(failure).toMatchObject({ code: 'source_missing', message: `${path} is not there.` });
    expect(stays()).toBe(false);
  });

  test('which is itself gone is not left out: the snapshot was lost', async () => {
    const judged = new Failure('snapshot_lost', 'The snapshot of C: went away.');
    const { failure, stays } = await missing('ost', { live: true, judged });
    expect(failure).toBe(judged);
    expect(stays()).toBe(false);
  });
});

test('one that is in a snapshot again is no more left out', () => {
  const leftOut = new LeftOut();
  const source = sourceAt('x', 'ost');
  leftOut.found(source);
  leftOut.seen(source);
  expect(leftOut.stays(source)).toBe(false);
});
