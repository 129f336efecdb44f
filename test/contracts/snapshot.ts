// What every snapshot provider does; each adapter runs this.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDeviceDb } from '../../client/device-db.ts';
import { reapSnapshots, type SnapshotProvider, withSnapshot } from '../../client/snapshot.ts';
import { SnapshotJournal } from '../../client/snapshot-journal.ts';
import { tempDir } from '../support/temp-dir.ts';

export interface SnapshotBench {
  readonly provider: SnapshotProvider;
  /** A folder on a volume that the provider can freeze, made for the running test. */
  place(): string;
  /** Snapshots of ours that exist on the volume of `place`. */
  left(place: string): number;
  /** Whether the view is really frozen. */
  readonly frozen: boolean;
}

export function testSnapshotProvider(name: string, bench: SnapshotBench): void {
  const { provider } = bench;
  const journal = () => new SnapshotJournal(openDeviceDb(join(tempDir(), 'device.db')));
  const now = () => 1_700_000_000_000;

  describe(name, () => {
    test('shows the source as it was, and leaves nothing', async () => {
      const place = bench.place();
      const path = join(place, 'mail.pst');
      writeFileSync(path, 'before');
      const volume = (await provider.volumeOf(path))!;
      const rows = journal();
      const seen = await withSnapshot(provider, volume, { journal: rows, now }, async (snapshot) => {
        writeFileSync(path, 'after!');
        expect(snapshot).toMatchObject({ kind: provider.kind, takenAt: '2023-11-14T22:13:20.000Z' });
        expect(rows.all()).toHaveLength(1);
        return readFileSync(snapshot.pathOf(path), 'utf8');
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
      await provider.remove(volume, '00000000-0000-4000-8000-000000000000');
      await provider.remove(volume, '00000000-0000-4000-8000-000000000000');
    });

    test('what a dead process left is reaped, by our journal alone', async () => {
      const place = bench.place();
      const volume = (await provider.volumeOf(join(place, 'x')))!;
      const rows = journal();
      const ours = '11111111-1111-4111-8111-111111111111';
      const foreign = '22222222-2222-4222-8222-222222222222';
      rows.expect({ id: ours, provider: provider.kind, volume: volume.root, made_at: '' });
      await provider.create(volume, ours);
      await provider.create(volume, foreign);
      expect(await reapSnapshots([provider], rows)).toBe(1);
      expect(rows.all()).toEqual([]);
      expect(bench.left(place)).toBe(bench.frozen ? 1 : 0);
      await provider.remove(volume, foreign);
      expect(bench.left(place)).toBe(0);
    });

    test('the journal knows of a snapshot before it exists', async () => {
      const place = bench.place();
      const volume = (await provider.volumeOf(join(place, 'x')))!;
      const rows = journal();
      const failing: SnapshotProvider = {
        ...provider,
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
