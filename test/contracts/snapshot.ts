// What every snapshot provider does; each adapter runs this.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  reapSnapshots,
  type SnapshotProvider,
  type Volume,
  withSnapshot,
} from '../../client/snapshot/snapshot.ts';
import { SnapshotJournal } from '../../client/snapshot/snapshot-journal.ts';
import { openDeviceDb } from '../../client/state/device-db.ts';
import { tempDir } from '../support/temp-dir.ts';

export interface SnapshotBench {
  readonly provider: SnapshotProvider;
  /** A folder on a volume that the provider can freeze, made for the running test. */
  place(): string;
  /** Snapshots of ours that exist on the volume of `place`. */
  left(place: string): number;
  /** Whether the view is really frozen. */
  readonly frozen: boolean;
  /** Milliseconds since 1970, for both sides; 2023 where nothing is said. */
  readonly now?: () => number;
}

export function testSnapshotProvider(name: string, bench: SnapshotBench): void {
  const { provider } = bench;
  const journal = () => new SnapshotJournal(openDeviceDb(join(tempDir(), 'device.db')));
  const now = bench.now ?? (() => 1_700_000_000_000);
  const entry = (volume: Volume, id: string) => ({
    id,
    provider: provider.kind,
    volume: volume.root,
    handle: null,
    made_at: new Date(now()).toISOString(),
  });

  describe(name, () => {
    test('shows the source as it was, and leaves nothing', async () => {
      const place = bench.place();
      const path = join(place, 'mail.pst');
      writeFileSync(path, 'before');
      const volume = (await provider.volumeOf(path))!;
      const rows = journal();
      const seen = await withSnapshot(provider, volume, { journal: rows, now }, async (snapshot) => {
        writeFileSync(path, 'after!');
        expect(snapshot).toMatchObject({ kind: provider.kind, takenAt: new Date(now()).toISOString() });
        expect(rows.all()).toHaveLength(1);
        return readFileSync(await snapshot.pathOf(path), 'utf8');
      });
      expect(seen).toBe(bench.frozen ? 'before' : 'after!');
      expect(rows.all()).toEqual([]);
      expect(bench.left(place)).toBe(0);
    });

    test('is removed when its use fails', async () => {
      const place = bench.place();
      const volume = (await provider.volumeOf(join(place, 'x')))!;
      const rows = journal();
      const use = withSnapshot(provider, volume, { journal: rows, now }, async () => {
        throw new Error('in use');
      });
      await expect(use).rejects.toThrow('in use');
      expect(rows.all()).toEqual([]);
      expect(bench.left(place)).toBe(0);
    });

    test('removing is idempotent, also of what never was', async () => {
      const volume = (await provider.volumeOf(join(bench.place(), 'x')))!;
      const never = entry(volume, '00000000-0000-4000-8000-000000000000');
      const first = await provider.remove(never, []);
      expect(await provider.remove(never, [])).toBe(first);
    });

    test('tells whether one is still there', async () => {
      const place = bench.place();
      const volume = (await provider.volumeOf(join(place, 'x')))!;
      const made = entry(volume, '33333333-3333-4333-8333-333333333333');
      const { handle } = await provider.create(volume, made.id);
      expect(await provider.exists({ ...made, handle })).toBe(true);
      await provider.remove({ ...made, handle }, []);
      expect(await provider.exists({ ...made, handle })).toBe(!bench.frozen);
    });

    test('what a dead process left is reaped, by our journal alone', async () => {
      const place = bench.place();
      const volume = (await provider.volumeOf(join(place, 'x')))!;
      const rows = journal();
      const ours = entry(volume, '11111111-1111-4111-8111-111111111111');
      const foreign = entry(volume, '22222222-2222-4222-8222-222222222222');
      rows.expect(ours);
      const { handle } = await provider.create(volume, ours.id);
      if (handle) rows.made(ours.id, handle);
      const other = await provider.create(volume, foreign.id);
      expect(await reapSnapshots([provider], { journal: rows, now })).toBe(1);
      expect(rows.all()).toEqual([]);
      expect(bench.left(place)).toBe(bench.frozen ? 1 : 0);
      await provider.remove({ ...foreign, handle: other.handle }, []);
      expect(bench.left(place)).toBe(0);
    });

    test('what a process left that died before it was told of the snapshot is reaped too', async () => {
      const place = bench.place();
      const volume = (await provider.volumeOf(join(place, 'x')))!;
      const rows = journal();
      const ours = entry(volume, '44444444-4444-4444-8444-444444444444');
      rows.expect(ours);
      await provider.create(volume, ours.id);
      expect(await reapSnapshots([provider], { journal: rows, now })).toBe(1);
      expect(bench.left(place)).toBe(0);
    });

    test('the journal knows of a snapshot before it exists', async () => {
      const place = bench.place();
      const volume = (await provider.volumeOf(join(place, 'x')))!;
      const rows = journal();
      const failing: SnapshotProvider = {
        kind: provider.kind,
        volumeOf: (real) => provider.volumeOf(real),
        pathIn: (...words) => provider.pathIn(...words),
        exists: (made) => provider.exists(made),
        remove: (...words) => provider.remove(...words),
        create: async (of, id) => {
          expect(rows.all().map((row) => row.id)).toEqual([id]);
          await provider.create(of, id);
          throw new Error('after it was made');
        },
      };
      await expect(withSnapshot(failing, volume, { journal: rows, now }, async () => {})).rejects.toThrow(
        'after it was made',
      );
      expect(bench.left(place)).toBe(0);
      expect(existsSync(place)).toBe(true);
    });
  });
}
