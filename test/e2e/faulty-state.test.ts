// The device's own rows are damaged, or can't be written at the wrong moment: the source is read again, and gets its receipt. Device
// and server are whole; what goes wrong is made up.
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import type { Device } from '../../client/device.ts';
import { built, deviceHere, failStatement } from '../support/client/device-here.ts';
import { changeMailFile, sha256Of } from '../support/mail-file.ts';
import { mailferryOk, type RunningServer, removeServer, startOwnServer } from '../support/mailferry.ts';

const MIB = 1_048_576;
const { PackSeries } = (await built('pack/pack-series')) as typeof import('../../client/pack/pack-series.ts');
const { Staging } = (await built('state/staging')) as typeof import('../../client/state/staging.ts');

let server: RunningServer;
beforeAll(async () => {
  server = await startOwnServer();
});
afterAll(() => removeServer(server));

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  bytes[20]! ^= 1;
  writeFileSync(path, bytes);
}

/** Folders of backups in staging, and fingerprints. */
function left({ paths }: Device): [number, number] {
  return [readdirSync(paths.staging).length, readdirSync(paths.fingerprints).length];
}

test('more changes than one commit takes go in two: a checkpoint, and the rest over it', async () => {
  const { session, receipted, sha256OfVersion, sum } = await deviceHere(server, 12 * MIB);
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

test('a backup that a commit of is malformed is given up, and the source read again', async () => {
  const { session, damage, sha256OfVersion, sum, path } = await deviceHere(server, 2 * MIB);
  await session(({ run }) => run(true));
  changeMailFile(path, 20, 1);
  await session(({ run }) => run(false), true);
  const { versions, failed } = await session(async ({ device, sender, run }) => {
    const { id } = device.queue.active()[0]!;
    // A row of before there were checks.
    damage("UPDATE packs SET runs = x'ff01', row_check = NULL");
    await sender.idle();
    expect(device.queue.backup(id)?.state).toBe('abandoned');
    return run(true);
  });
  expect(failed).toEqual([]);
  expect(versions).toHaveLength(1);
  expect(await sha256OfVersion(versions[0]!)).toBe(await sum());
});

/** What fails in the first look, by the text of its statement, how often, and of a store that was backed up before or not. */
const WRITES: readonly [string, string, number, 'new' | 'changed' | 'touched'][] = [
  ['a backup begins', 'INSERT INTO backups', 1, 'new'],
  ['a pack is queued', 'INSERT INTO packs', 1, 'new'],
  ['it is sealed', 'UPDATE backups SET state', 1, 'new'],
  ['it is sealed, or cut short', 'UPDATE backups SET state', 2, 'new'],
  ['it is sealed, cut short or given up', 'UPDATE backups SET state', 3, 'new'],
  ['a change of it is sealed, cut short or given up', 'UPDATE backups SET state', 3, 'changed'],
  ['nothing was changed, and that is noted', 'UPDATE sources SET base_version = ?', 1, 'touched'],
  ['its fingerprint is damaged, and that is noted', 'UPDATE sources SET base_version = NULL', 1, 'changed'],
];

test.each(
  WRITES.flatMap((row) => ['SQLITE_FULL', 'SQLITE_IOERR_WRITE'].map((code) => [...row, code] as const)),
)(
  'a write that fails when %s (%s, %d times, a %s store, %s): the next look reads the source',
  async (_, words, times, store, code) => {
    const { session, sha256OfVersion, sum, path } = await deviceHere(server, 6 * MIB);
    if (store !== 'new') await session(({ run }) => run(true));
    if (store === 'changed') changeMailFile(path, 200, 2);
    const { device, result } = await session(async ({ device, run }) => {
      const { base } = device.sources.register(path, 'pst');
      if (store === 'touched') utimesSync(path, 1_700_000_000, 1_700_000_000);
      if (words.endsWith('NULL')) flipByte(device.staging.fingerprintPath(base!.file));
      const failed = failStatement(words, code, times);
      await run(false);
      expect(failed()).toBe(times);
      return { device, result: await run(true) };
    });
    expect(result.failed).toEqual([]);
    if (store === 'touched') return expect(result).toMatchObject({ unchanged: 1, versions: [] });
    expect(result.versions).toHaveLength(1);
    expect(await sha256OfVersion(result.versions[0]!)).toBe(await sum());
    expect(readdirSync(device.paths.staging)).toEqual([]);
  },
);

test('a look after a live read that fails ends the backup as one', async () => {
  const { session, sha256OfVersion, sum } = await deviceHere(server, 6 * MIB);
  const handle = await open(process.execPath);
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { stat } = prototype;
  let looks = 0;
  const spy = vi.spyOn(prototype, 'stat').mockImplementation(async function (this: FileHandle) {
    const what = await Reflect.apply(stat, this, []);
    // It is looked at for what changed and before it is read, each time when it is opened too, and after. Root looks at folders, too.
    if (what?.isFile() && ++looks === 5) throw Object.assign(new Error('made up'), { code: 'EIO' });
    return what;
  } as never);
  onTestFinished(() => spy.mockRestore());
  const { versions, failed } = await session(async ({ device, run }) => {
    await run(false);
    expect(looks).toBe(5);
    expect(device.queue.active().map(({ state }) => state)).not.toContain('scanning');
    return run(true);
  });
  expect(failed).toEqual([]);
  expect(versions).toHaveLength(1);
  expect(await sha256OfVersion(versions[0]!)).toBe(await sum());
});

test.each([
  ['a bit', 'translate'],
  ['its case', 'upper(signature)'],
])(
  'the newest receipt whose signature has %s changed is mended by the server, and the next one comes',
  async (_, how) => {
    const { session, damage, receipted, said, path } = await deviceHere(server, MIB);
    await session(({ run }) => run(true));
    const changed =
      how === 'translate' ? "iif(substr(signature, 1, 1) = '0', '1', '0') || substr(signature, 2)" : how;
    damage(`UPDATE receipts SET signature = ${changed}`);
    changeMailFile(path, 5, 3);
    const { versions, failed } = await session(({ run }) => run(true));
    expect(failed).toEqual([]);
    expect(versions).toHaveLength(1);
    expect(receipted).toHaveLength(2);
    expect(said).toContain("1 receipts were damaged in this device's database; the server gave them again.");
  },
);

test.each(['release', 'dropFingerprint'] as const)(
  'a receipt is told and nothing has failed where %s fails after it; what stays goes at the next start',
  async (method) => {
    const { session, receipted, path } = await deviceHere(server, MIB);
    await session(({ run }) => run(true));
    changeMailFile(path, 5, 4);
    const removal = vi
      .spyOn(Staging.prototype, method)
      .mockRejectedValueOnce(Object.assign(new Error('made up'), { code: 'EBUSY' }));
    onTestFinished(() => removal.mockRestore());
    const { versions, failed } = await session(async ({ device, run }) => {
      const result = await run(true);
      const { lastFailure, base } = device.sources.register(path, 'pst');
      expect([lastFailure, base?.version]).toEqual([null, result.versions[0]]);
      expect(left(device)).toEqual(method === 'release' ? [1, 1] : [0, 2]);
      return result;
    });
    expect(failed).toEqual([]);
    expect(receipted.at(-1)).toBe(versions[0]);
    await session(async ({ device }) => expect(left(device)).toEqual([0, 1]), true);
  },
);

const RUNS = "substr(runs, 1, length(runs) - 1) || x'01'";

test.each([
  ['sha256', "UPDATE backups SET sha256 = iif(substr(sha256, 1, 1) = '0', '1', '0') || substr(sha256, 2)"],
  ['mtime', "UPDATE backups SET mtime = replace(mtime, '20', '21')"],
  ['health_notes', "UPDATE backups SET health_notes = 'x'"],
  ['base_version', 'UPDATE backups SET base_version = NULL'],
  ['runs', `UPDATE packs SET runs = CAST(${RUNS} AS BLOB)`],
  ['through', 'UPDATE packs SET through = through + 1'],
])(
  'a waiting backup whose %s was damaged is not committed: its source is read again, and nothing sent twice',
  async (_, sql) => {
    const { session, damage, said, sum, path, state } = await deviceHere(server, 2 * MIB);
    await session(({ run }) => run(true));
    changeMailFile(path, 20, 6);
    await session(({ run }) => run(false), true);
    damage(`${sql} WHERE ${sql.includes('packs') ? 'true' : "state = 'uploading'"}`);
    const { versions, failed, again } = await session(async ({ device, sender, run }) => {
      const { id } = device.queue.active()[0]!;
      const [pack] = device.queue.packsOf(id);
      await sender.idle();
      expect(device.queue.backup(id)?.state).toBe('abandoned');
      const result = await run(true);
      return { ...result, again: await device.server.knowsPack(pack!.id) };
    });
    expect(failed).toEqual([]);
    expect(versions).toHaveLength(1);
    expect(again).toBe(true);
    expect(said.filter((text) => text.includes('was damaged; its source is read again'))).toHaveLength(1);
    const to = `${path}.restored`;
    await mailferryOk('restore', path, '--to', to, '--state', state);
    expect(await sha256Of(to)).toBe(await sum());
  },
);

test('a checkpoint is made of the packs before one whose row was damaged', async () => {
  // Large enough for bulk, of which the first packs are small (client/pack/frame-settings.ts).
  const { session, damage, said, sha256OfVersion, sum } = await deviceHere(server, 68 * MIB);
  await session(async ({ device, run }) => {
    failStatement('UPDATE backups SET state', 'SQLITE_FULL', 3);
    await run(false);
    expect(device.queue.active()).toMatchObject([{ state: 'scanning' }]);
  }, true);
  damage('UPDATE packs SET through = through + 1 WHERE number = 1');
  await session(async ({ device }) => {
    const [backup] = device.queue.active();
    expect(backup).toMatchObject({ state: 'uploading', complete: 0 });
    expect(device.queue.packsOf(backup!.id)).toMatchObject([{ number: 0 }]);
  }, true);
  const { versions, failed } = await session(({ run }) => run(true));
  expect(failed).toEqual([]);
  expect(said.filter((text) => text.includes('was damaged; its source is read again'))).toHaveLength(1);
  expect(await sha256OfVersion(versions[0]!)).toBe(await sum());
});
