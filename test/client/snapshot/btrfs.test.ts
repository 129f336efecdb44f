// Real btrfs snapshots on a volume in a file.
import { describe, expect, test } from 'vitest';
import { btrfsSnapshots } from '../../../client/snapshot/btrfs.ts';
import { testSnapshotProvider } from '../../contracts/snapshot.ts';
import { btrfsVolume, lacksBtrfs, snapshotsOn } from '../../support/btrfs-volume.ts';
import { named } from '../../support/programs.ts';
import { tempDir } from '../../support/temp-dir.ts';

const missing = lacksBtrfs();

describe.skipIf(missing)(named('btrfs', missing), () => {
  testSnapshotProvider('snapshots', {
    provider: btrfsSnapshots,
    place: () => btrfsVolume(tempDir(), 268_435_456),
    left: (place) => snapshotsOn(place).length,
    frozen: true,
  });
});

test('no volume of another file system', async () => {
  expect(await btrfsSnapshots.volumeOf('/proc/self/status')).toBeNull();
});
