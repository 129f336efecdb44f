// Reads that fail as they fail on Windows: a byte-range lock, a snapshot that goes away, shadow storage that is full. The device is whole
// and so is the server; only the reads and the snapshots are made up. Each fault is healed, or reported and nothing claimed.
import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, rmSync, truncateSync, utimesSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import type { RunResult } from '../../client/backup/run-backup.ts';
import type { Device } from '../../client/device.ts';
import type { SnapshotChoice } from '../../client/snapshot/freezer.ts';
import type { Source } from '../../client/state/source-registry.ts';
import { surroundingsHere } from '../support/client/surroundings.ts';
import { makeMailFile, sha256Of } from '../support/mail-file.ts';
import {
  enrol,
  mailferry,
  mailferryOk,
  type RunningServer,
  removeServer,
  startOwnServer,
} from '../support/mailferry.ts';
import { type Fault, ShadowHost } from '../support/shadow-host.ts';
import { tempDir } from '../support/temp-dir.ts';

const DOUBLE = fileURLToPath(new URL('../support/powershell-double.mjs', import.meta.url));
const SCRIPT = fileURLToPath(new URL('../../client/snapshot/vss/shadow-copy.ps1', import.meta.url));
const MIB = 1_048_576;
/**
 * The reads that are made to fail, by their length and where they begin: those of a scan, and those of the look at a header before it.
 * No read of a pack in staging is as long as one of a scan: packs are sent while the scan goes on, at a speed of their own.
 */
const READS = {
  scan: (bytes: number, _at: number) => bytes === 2 * MIB,
  head: (bytes: number, at: number) => bytes === 4_096 && at === 0,
};

/** A module of the built device: its workers are beside it. */
const built = (name: string) => import(new URL(`../../dist/client/${name}.js`, import.meta.url).href);
const { withDevice } = (await built('device')) as typeof import('../../client/device.ts');
const { recover } = (await built('healing/recover')) as typeof import('../../client/healing/recover.ts');
const { runBackup } = (await built(
  'backup/run-backup',
)) as typeof import('../../client/backup/run-backup.ts');
const { Sender } = (await built('upload/sender')) as typeof import('../../client/upload/sender.ts');
type Sender = InstanceType<typeof Sender>;
const { liveFiles } = (await built('snapshot/live')) as typeof import('../../client/snapshot/live.ts');
const { vssSnapshots } = (await built('snapshot/vss')) as typeof import('../../client/snapshot/vss.ts');
const { statePaths } = (await built(
  'state/state-directory',
)) as typeof import('../../client/state/state-directory.ts');

let server: RunningServer;
beforeAll(async () => {
  server = await startOwnServer();
});
afterAll(() => removeServer(server));

/** A volume with a store on it, made-up shadow copies of it, and a device of its own. */
async function bench(size: number) {
  const root = tempDir();
  const volume = join(root, 'volume');
  const path = join(volume, 'mail.pst');
  mkdirSync(volume);
  makeMailFile(path, size, 5);
  const host = await ShadowHost.start(`${volume}/`, {
    copy: (_, number) => {
      const copy = join(root, `shadow-${number}`);
      cpSync(path, join(copy, 'mail.pst'), { preserveTimestamps: true });
      return copy;
    },
    // Who has it open reads nothing more of it.
    drop: (copy) => {
      if (existsSync(join(copy, 'mail.pst'))) truncateSync(join(copy, 'mail.pst'), 0);
      rmSync(copy, { recursive: true, force: true });
    },
  });
  const state = join(root, 'state');
  await enrol(server.data, server.url, state);
  process.env.MAILFERRY_SHADOW_HOST = host.url;
  onTestFinished(() => {
    delete process.env.MAILFERRY_SHADOW_HOST;
    host.close();
  });
  const said: string[] = [];

  /** The device, opened in this process. */
  const opened = <T>(use: (device: Device, sender: Sender) => Promise<T>): Promise<T> => {
    const ended = new AbortController();
    const surroundings = surroundingsHere({ chance: () => 0.5, stop: ended.signal });
    const vss = vssSnapshots({
      ...surroundings,
      powershell: { program: DOUBLE, script: SCRIPT },
      pause: async () => {},
      path: posix,
    });
    const progress = {
      report: () => {},
      say: (sentence: string) => void said.push(sentence),
      clear: () => {},
    };
    const options = { paths: statePaths(state), surroundings, progress, quota: 1_000 * MIB };
    return withDevice(options, async (whole) => {
      const device = { ...whole, snapshots: [vss, liveFiles] };
      const sender = new Sender(device);
      try {
        await recover(device);
        return await use(device, sender);
      } finally {
        await sender.close();
      }
    });
  };
  /** One run of it. */
  const run = (snapshot: SnapshotChoice, wait = true): Promise<RunResult> =>
    opened((device, sender) => {
      const sources = [device.sources.register(path, 'pst')];
      return runBackup(device, sender, { sources, snapshot, wait });
    });
  const restored = async () => {
    const to = join(root, `restored-${randomUUID()}`);
    await mailferryOk('restore', path, '--to', to, '--state', state);
    return sha256Of(to);
  };
  const eachDeletedOnce = () => {
    expect(host.shadows).toEqual([]);
    expect(host.deletions).toHaveLength(host.count('create'));
    expect(new Set(host.deletions).size).toBe(host.deletions.length);
  };
  return { path, host, opened, run, restored, said, state, eachDeletedOnce, sum: () => sha256Of(path) };
}

/** Reads of this kind meet `fault` from the read `from` on, `times` of them; they are counted from 1. */
async function failReads(
  fault: () => NodeJS.ErrnoException | null,
  from: number,
  times: number,
  kind: keyof typeof READS = 'scan',
) {
  const handle = await open(SCRIPT, 'r');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { read } = prototype;
  let reads = 0;
  const spy = vi.spyOn(prototype, 'read').mockImplementation(function (
    this: FileHandle,
    ...words: unknown[]
  ) {
    if (READS[kind](Number(words[2]), Number(words[3]))) {
      reads++;
      const error = reads >= from && reads < from + times ? fault() : null;
      if (error) return Promise.reject(error);
    }
    return Reflect.apply(read, this, words);
  } as never);
  onTestFinished(() => spy.mockRestore());
}

const errno = (code: string) => () =>
  Object.assign(new Error(`${code}: made up, read`), { code, syscall: 'read' }) as NodeJS.ErrnoException;

// The header is read four times, by the change test of the live file and of what is frozen, which both forgive, then by the backup, and
// once more after a live read.
test.each([
  ['EBUSY', 'scan', 3],
  ['EACCES', 'scan', 3],
  ['EBUSY', 'head', 3],
  ['EACCES', 'head', 3],
] as const)(
  'a byte-range lock on a live read (%s, %s read %d) is reported, and gone the next time',
  async (code, kind, at) => {
    const { path, run, restored, sum } = await bench(6 * MIB);
    await failReads(errno(code), at, 1, kind);
    const first = await run('live');
    expect(first).toMatchObject({ versions: [], failed: [{ path, code: 'source_locked' }] });
    expect(first.failed[0]!.message).toMatch(
      /can't be read at byte \d+: is locked there by another program\.$/,
    );
    const second = await run('live');
    expect(second).toMatchObject({ versions: [expect.any(String)], failed: [] });
    expect(await restored()).toBe(await sum());
  },
);

test('a lock on the header after a live read: what was read is no version, the file is read again', async () => {
  const { run, restored, sum } = await bench(6 * MIB);
  await failReads(errno('EBUSY'), 4, 1, 'head');
  expect(await run('live')).toMatchObject({ versions: [expect.any(String)], failed: [] });
  expect(await restored()).toBe(await sum());
});

test.each([
  ['scan', 3],
  ['head', 3],
] as const)('a lock inside a snapshot (%s read %d): a new one is made, and read whole', async (kind, at) => {
  const { run, host, restored, sum, said, eachDeletedOnce } = await bench(6 * MIB);
  await failReads(errno('EBUSY'), at, 1, kind);
  expect(await run('require')).toMatchObject({ versions: [expect.any(String)], failed: [], snapshots: 2 });
  expect(host.count('create')).toBe(2);
  expect(said.join('\n')).toMatch(/The snapshot of .* was locked/);
  eachDeletedOnce();
  expect(await restored()).toBe(await sum());
});

test.each([
  ['scan', 3],
  ['head', 3],
] as const)(
  'a lock in every snapshot (from %s read %d) is reported after three, and none is left',
  async (kind, at) => {
    const { run, path, host, eachDeletedOnce } = await bench(6 * MIB);
    await failReads(errno('EBUSY'), at, 1_000, kind);
    const result = await run('require', false);
    expect(result).toMatchObject({ versions: [], failed: [{ path, code: 'snapshot_lost' }] });
    expect(host.count('create')).toBe(3);
    eachDeletedOnce();
  },
);

test.each([
  ['EIO', 6 * MIB, 'scan', 3],
  ['ENOENT', 6 * MIB, 'scan', 3],
  ['EINVAL', 6 * MIB, 'scan', 2],
  ['EIO', 6 * MIB, 'head', 3],
  ['ENOENT', 6 * MIB, 'head', 3],
  ['EINVAL', 6 * MIB, 'head', 3],
  // Far enough in that packs were sealed: they are kept, and the new snapshot brings the rest.
  ['EIO', 40 * MIB, 'scan', 15],
] as const)(
  'a snapshot that goes away in mid-read (%s, of %d bytes, at %s read %d) is made again, the version whole',
  async (code, size, kind, at) => {
    const { run, host, restored, sum, said, eachDeletedOnce } = await bench(size);
    await failReads(
      () => {
        const lost = host.shadows[0];
        if (lost) host.lose(lost.id);
        return errno(code)();
      },
      at,
      1,
      kind,
    );
    expect(await run('require')).toMatchObject({ versions: [expect.any(String)], failed: [] });
    expect(said.join('\n')).toMatch(/The snapshot of .* went away/);
    expect(host.count('create')).toBe(2);
    eachDeletedOnce();
    expect(await restored()).toBe(await sum());
  },
);

test('a snapshot whose files end early, since it is gone, is no version of a shorter store', async () => {
  const { run, host, restored, sum, eachDeletedOnce } = await bench(12 * MIB);
  await failReads(
    () => {
      const lost = host.shadows[0];
      if (lost) host.lose(lost.id);
      return null;
    },
    4,
    1,
  );
  expect(await run('require')).toMatchObject({ versions: [expect.any(String)], failed: [] });
  expect(host.count('create')).toBe(2);
  eachDeletedOnce();
  expect(await restored()).toBe(await sum());
});

const full: Fault = (asked, host) =>
  host.answer(asked, { returnValue: 6, outlook: false, id: null, device: null });

test('shadow storage that is full: required, nothing is read; the next run that has room succeeds', async () => {
  const { path, run, host, state } = await bench(2 * MIB);
  host.fault('create', full);
  const result = await run('require');
  expect(result).toMatchObject({ versions: [], failed: [{ path, code: 'snapshot_storage' }], snapshots: 0 });
  expect(result.failed[0]!.message).toMatch(/^There is no room for a shadow copy of /);
  expect(host.deletions).toEqual([]);
  const status = await mailferryOk('status', '--state', state, '--json');
  expect(status.json.sources).toMatchObject([{ path, state: 'snapshot_storage', lastReceiptAt: null }]);
  expect(await run('require')).toMatchObject({ versions: [expect.any(String)], failed: [] });
});

test('shadow storage that is full: preferred, the live file is read, and version, status and exit code say so', async () => {
  const { path, run, host, said, state, restored, sum } = await bench(2 * MIB);
  host.fault('create', full);
  const result = await run('prefer');
  expect(result).toMatchObject({ versions: [expect.any(String)], failed: [], live: [path] });
  expect(said.join('\n')).toMatch(/are read live\. There is no room for a shadow copy/);
  const { json } = await mailferryOk('versions', path, '--state', state, '--json');
  expect(json.versions).toMatchObject([{ snapshot: 'live' }]);
  const status = await mailferryOk('status', '--state', state, '--json');
  expect(status.json.sources).toMatchObject([{ path, snapshot: 'live' }]);
  expect((await mailferryOk('status', '--state', state)).stdout).toMatch(/mail\.pst \(read live/);
  expect(await restored()).toBe(await sum());
});

test('whether Outlook ran is kept with the version', async () => {
  const { run, host, path, state } = await bench(2 * MIB);
  host.outlook = true;
  await run('require');
  const { json } = await mailferryOk('versions', path, '--state', state, '--json');
  expect(json.versions).toMatchObject([{ snapshot: 'vss', outlookRunning: true }]);
});

test.each([
  ['prefer', 3],
  ['never', 0],
  ['live', 0],
  ['require', 1],
])('on a volume without snapshots, --snapshot %s ends with %d', async (choice, code) => {
  const { path, state } = await bench(MIB);
  const ended = await mailferry('backup', path, '--wait', '--snapshot', choice, '--state', state, '--json')
    .ended;
  expect(ended.code).toBe(code);
  expect(ended.json.live).toEqual(choice === 'prefer' ? [path] : []);
});

test('an OST that Windows removes from every snapshot is said to be so, and costs none of its own after the first', async () => {
  const { path, host, opened, eachDeletedOnce } = await bench(2 * MIB);
  // The host's copies have the PST alone.
  const ost = join(dirname(path), 'mail.ost');
  makeMailFile(ost, MIB, 6);
  // A time that a copy keeps.
  const touch = (seconds: number) => utimesSync(path, seconds, seconds);
  touch(1_700_000_000);
  await opened(async (device, sender) => {
    const [store, cache] = [device.sources.register(path, 'pst'), device.sources.register(ost, 'ost')];
    const look = (...sources: Source[]) =>
      runBackup(device, sender, { sources, snapshot: 'require', wait: true });
    const failed = [
      { path: ost, code: 'snapshot_unavailable', message: `${ost} is left out of snapshots by Windows.` },
    ];
    expect(await look(store, cache)).toMatchObject({ versions: [expect.any(String)], failed });
    expect(host.count('create')).toBe(1);
    // Outlook writes to it all day; it is told each time, in what is shown too.
    for (let day = 1; day <= 2; day++) {
      makeMailFile(ost, MIB, 6 + day);
      // Alone: the host's copies of the PST have a ctime of their own, which the copies of a real Windows do not.
      expect(await look(cache)).toMatchObject({ versions: [], unchanged: 0, failed });
    }
    expect(device.sources.get(cache.id).lastFailure).toMatchObject({ code: 'snapshot_unavailable' });
    expect(host.count('create')).toBe(1);
    // Where one is made anyway, it is looked for again.
    touch(1_700_000_001);
    expect(await look(store, cache)).toMatchObject({ unchanged: 1, failed });
    expect(host.count('create')).toBe(2);
  });
  // A new process, as a person starts one, asks Windows again.
  await opened((device, sender) => {
    const sources = [device.sources.register(ost, 'ost')];
    return runBackup(device, sender, { sources, snapshot: 'require', wait: true });
  });
  expect(host.count('create')).toBe(3);
  eachDeletedOnce();
});
