// The live adapter freezes nothing, and keeps the contract otherwise; what changes while it is read from it is no version.
import { appendFileSync, closeSync, openSync, statSync, truncateSync, utimesSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Taken, takeBackup } from '../../../client/backup/take-backup.ts';
import { type Device, withDevice } from '../../../client/device.ts';
import { InlineHash } from '../../../client/scan/whole-hash.ts';
import { liveFiles } from '../../../client/snapshot/live.ts';
import { withSnapshot } from '../../../client/snapshot/snapshot.ts';
import { saveIdentity, statePaths } from '../../../client/state/state-directory.ts';
import { Failure } from '../../../shared/failure.ts';
import { testSnapshotProvider } from '../../contracts/snapshot.ts';
import { builtPacker } from '../../support/client/built-packer.ts';
import { surroundingsHere } from '../../support/client/surroundings.ts';
import { makeMailFile } from '../../support/mail-file.ts';
import { tempDir } from '../../support/temp-dir.ts';

testSnapshotProvider('live files', { provider: liveFiles, place: tempDir, left: () => 0, frozen: false });

const SIZE = 8_000_000;
/** dwUnique of a Unicode store, which rises with every transaction ([MS-PST] 2.2.2.6). */
const UNIQUE_AT = 40;

function writeAt(path: string, at: number, byte: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, Uint8Array.of(byte), 0, 1, at);
  closeSync(file);
}

function keepingTime(path: string, change: () => void): void {
  const { atimeMs, mtimeMs } = statSync(path);
  change();
  utimesSync(path, atimeMs / 1_000, mtimeMs / 1_000);
}

/** Takes a backup of a store from the live file; `meddle` is called once, when a part of it has been read. */
async function takeLive(
  meddle: (path: string) => void,
): Promise<{ taken: Taken | unknown; left: ReturnType<Device['queue']['active']> }> {
  const root = tempDir();
  const path = join(root, 'mail.pst');
  makeMailFile(path, SIZE, 31);
  // A time that the file system keeps as it is, long before any change.
  utimesSync(path, 1_700_000_000, 1_700_000_000);
  const paths = statePaths(join(root, 'state'));
  await saveIdentity(paths, {
    server: 'http://127.0.0.1:1',
    device: 'd',
    credential: 'c',
    receiptKey: 'k',
    secret: '7'.repeat(64),
  });
  const surroundings = surroundingsHere();
  const parts: number[] = [];
  const progress = {
    report: ({ done }: { done: number }) => {
      if (parts.push(done) === 1) meddle(path);
    },
    say: () => undefined,
    clear: () => undefined,
  };
  const packer = await builtPacker();
  return withDevice({ paths, surroundings, progress, quota: 1e9 }, async (device) => {
    const source = device.sources.register(path, 'pst');
    const volume = (await liveFiles.volumeOf(path))!;
    const shop = { packer: () => packer, hash: () => new InlineHash(), notify: () => undefined };
    const taken = await withSnapshot(liveFiles, volume, device, (snapshot) =>
      takeBackup(device, source, snapshot, shop),
    ).catch((error: unknown) => error);
    // Part of it had been read, and part of it had not.
    expect(parts[0]).toBeLessThan(SIZE / 2);
    return { taken, left: device.queue.active() };
  });
}

describe('a store that is read live', () => {
  test.each<[string, (path: string) => void]>([
    ['grew', (path) => appendFileSync(path, 'x')],
    ['shrank', (path) => truncateSync(path, SIZE - 1_000_000)],
    ['was written to where it had been read', (path) => writeAt(path, 100_000, 1)],
    ['was written to where it had not been read', (path) => writeAt(path, SIZE - 100_000, 1)],
    ['grew and kept its time', (path) => keepingTime(path, () => appendFileSync(path, Buffer.alloc(65_536)))],
    [
      'has another counter in its header, and the same size and time',
      (path) => keepingTime(path, () => writeAt(path, UNIQUE_AT, 0xee)),
    ],
  ])(
    'and meanwhile %s is rejected: what was read is no version, and at most a part to go on from',
    async (_, meddle) => {
      const { taken, left } = await takeLive(meddle);
      expect(taken).not.toMatchObject({ outcome: 'queued' });
      const failure = taken instanceof Failure ? taken : (taken as { failure?: unknown }).failure;
      expect(failure).toMatchObject({ code: 'source_changed' });
      expect(left.filter(({ complete }) => complete !== 0)).toEqual([]);
    },
  );

  test('and rests is taken', async () => {
    const { taken, left } = await takeLive(() => undefined);
    expect(taken).toMatchObject({ outcome: 'queued' });
    expect(left).toMatchObject([{ snapshot: 'live', complete: 1, size: SIZE }]);
  });
});
