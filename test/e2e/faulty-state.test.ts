// The device's own rows are damaged, or can't be written at the wrong moment: the source is read again, and gets its receipt. Device
// and server are whole; what goes wrong is made up.
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { built, deviceHere } from '../support/client/device-here.ts';
import { changeMailFile } from '../support/mail-file.ts';
import { type RunningServer, removeServer, startOwnServer } from '../support/mailferry.ts';

const MIB = 1_048_576;
const { PackSeries } = (await built('pack/pack-series')) as typeof import('../../client/pack/pack-series.ts');

let server: RunningServer;
beforeAll(async () => {
  server = await startOwnServer();
});
afterAll(() => removeServer(server));

test('more changes than one commit takes go in two: a checkpoint, and the rest over it', async () => {
  const { session, receipted, sha256OfVersion, sum } = await deviceHere(server, 6 * MIB);
  let asked = 0;
  let first: unknown;
  // Half of it was read when the commit of the first series is full.
  const full = vi.spyOn(PackSeries.prototype, 'full', 'get').mockImplementation(function (this: unknown) {
    first ??= this;
    return this === first && ++asked >= 3;
  });
  onTestFinished(() => full.mockRestore());
  const { versions, failed } = await session(({ run }) => run(true));
  expect(failed).toEqual([]);
  expect(versions).toHaveLength(1);
  expect(receipted).toHaveLength(2);
  expect(await sha256OfVersion(versions[0]!)).toBe(await sum());
});

test('a backup whose list of runs was damaged while it waited is given up, and the source read again', async () => {
  const { session, damage, sha256OfVersion, sum, path } = await deviceHere(server, 2 * MIB);
  await session(({ run }) => run(true));
  changeMailFile(path, 20, 1);
  await session(({ run }) => run(false), true);
  const { versions, failed } = await session(async ({ device, sender, run }) => {
    const { id } = device.queue.active()[0]!;
    damage("UPDATE packs SET runs = x'ff01'");
    await sender.idle();
    expect(device.queue.backup(id)?.state).toBe('abandoned');
    return run(true);
  });
  expect(failed).toEqual([]);
  expect(versions).toHaveLength(1);
  expect(await sha256OfVersion(versions[0]!)).toBe(await sum());
});
