// Reads that fail as they fail on Windows: a byte-range lock, a snapshot that goes away, shadow storage that is full. The device is whole
// and so is the server; only the reads and the snapshots are made up. Each fault is healed, or reported and nothing claimed.
import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, rmSync, truncateSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import type { RunResult } from '../../client/backup/run-backup.ts';
import type { SnapshotChoice } from '../../client/snapshot/freezer.ts';
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
/** Reads this long are those of a scan. */
const SCAN_BYTES = 65_536;

/** A module of the built device: its workers are beside it. */
const built = (name: string) => import(new URL(`../../dist/client/${name}.js`, import.meta.url).href);
const { withDevice } = (await built('device')) as typeof import('../../client/device.ts');
const { recover } = (await built('healing/recover')) as typeof import('../../client/healing/recover.ts');
const { runBackup } = (await built(
  'backup/run-backup',
)) as typeof import('../../client/backup/run-backup.ts');
const { Sender } = (await built('upload/sender')) as typeof import('../../client/upload/sender.ts');
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
      cpSync(path, join(copy, 'mail.pst'));
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

  /** One run of the device in this process. */
  const run = (snapshot: SnapshotChoice, wait = true): Promise<RunResult> => {
    const ended = new AbortController();
    const surroundings = {
      now: Date.now,
      monotonic: () => performance.now(),
      interfaces: networkInterfaces,
      chance: () => 0.5,
      newId: randomUUID,
      registry: null,
      powershell: null,
      stop: ended.signal,
    };
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
    return withDevice(options, async (opened) => {
      const device = { ...opened, snapshots: [vss, liveFiles] };
      const sender = new Sender(device);
      try {
        await recover(device);
        return await runBackup(device, sender, {
          sources: [device.sources.register(path, 'pst')],
          snapshot,
          wait,
        });
      } finally {
        await sender.close();
      }
    });
  };
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
  return { path, host, run, restored, said, state, eachDeletedOnce, sum: () => sha256Of(path) };
}

/** Scan reads meet this from the read `from` on, `times` of them; they are counted from 1. */
async function failReads(fault: () => NodeJS.ErrnoException | null, from: number, times: number) {
  const handle = await open(SCRIPT, 'r');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { read } = prototype;
  let reads = 0;
  const spy = vi.spyOn(prototype, 'read').mockImplementation(function (
    this: FileHandle,
    ...words: unknown[]
  ) {
    if (typeof words[2] === 'number' && words[2] >= SCAN_BYTES) {
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

test.each(['EBUSY', 'EACCES'])(
  'a byte-range lock on a live read (%s) is reported, and gone the next time',
  async (code) => {
    const { path, run, restored, sum } = await bench(6 * MIB);
    await failReads(errno(code), 3, 1);
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

test('a lock inside a snapshot: a new one is made, and read whole', async () => {
  const { run, host, restored, sum, said, eachDeletedOnce } = await bench(6 * MIB);
  await failReads(errno('EBUSY'), 3, 1);
  expect(await run('require')).toMatchObject({ versions: [expect.any(String)], failed: [], snapshots: 2 });
  expect(host.count('create')).toBe(2);
  expect(said.join('\n')).toMatch(/The snapshot of .* was locked/);
  eachDeletedOnce();
  expect(await restored()).toBe(await sum());
});

test('a lock in every snapshot is reported after three, and none is left', async () => {
  const { run, path, host, eachDeletedOnce } = await bench(6 * MIB);
  await failReads(errno('EBUSY'), 3, 1_000);
  const result = await run('require', false);
  expect(result).toMatchObject({ versions: [], failed: [{ path, code: 'snapshot_lost' }] });
  expect(host.count('create')).toBe(3);
  eachDeletedOnce();
});

test.each([
  ['EIO', 6 * MIB, 3],
  ['ENOENT', 6 * MIB, 3],
  ['EINVAL', 6 * MIB, 2],
  // Far enough in that packs were sealed: they are kept, and the new snapshot brings the rest.
  ['EIO', 40 * MIB, 30],
] as const)(
  'a snapshot that goes away in mid-read (%s, of %d bytes, at read %d) is made again, the version whole',
  async (code, size, at) => {
    const { run, host, restored, sum, said, eachDeletedOnce } = await bench(size);
    await failReads(
      () => {
        const lost = host.shadows[0];
        if (lost) host.lose(lost.id);
        return errno(code)();
      },
      at,
      1,
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
