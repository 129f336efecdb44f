// The doctor: each finding by table, and the whole of it as a process on a healthy machine and on sick ones.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Finding, findingLine } from '../../../client/doctor/finding.ts';
import { clockFinding } from '../../../client/doctor/server-check.ts';
import { serviceFinding } from '../../../client/doctor/service-check.ts';
import { snapshotFindings } from '../../../client/doctor/snapshot-check.ts';
import { spaceFinding } from '../../../client/doctor/staging-check.ts';
import { rightsFinding, volumeFindings } from '../../../client/doctor/windows-check.ts';
import type { ServiceKind } from '../../../client/service/service-kind.ts';
import type { SnapshotProvider } from '../../../client/snapshot/snapshot.ts';
import { SnapshotJournal } from '../../../client/snapshot/snapshot-journal.ts';
import { openDeviceDb } from '../../../client/state/device-db.ts';
import { btrfsVolume, lacksBtrfs, snapshotsOn } from '../../support/btrfs-volume.ts';
import { mailferryOk, PROGRAM, serverAndDevice, start, stop } from '../../support/mailferry.ts';
import { named } from '../../support/programs.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('a finding is one line: its state, what was looked at, what is so, what to do', () => {
  const finding: Finding = { check: 'clock', state: 'warning', said: 'It is late.', todo: 'Set it.' };
  expect(findingLine(finding)).toBe('warning clock           It is late. Set it.');
});

const NOON = Date.UTC(2026, 10, 24, 12);
test.each([
  ['Tue, 24 Nov 2026 12:00:00 GMT', 'ok'],
  ['Tue, 24 Nov 2026 12:02:00 GMT', 'ok'],
  ['Tue, 24 Nov 2026 12:02:01 GMT', 'warning'],
  ['Tue, 24 Nov 2026 11:50:00 GMT', 'warning'],
  ['Mon, 23 Nov 2026 12:00:00 GMT', 'warning'],
  ['half past', 'skipped'],
  [undefined, 'skipped'],
])('the clock beside a server that says %s is %s', (date, state) => {
  expect(clockFinding(date, NOON).state).toBe(state);
});

test.each([
  [5e9, 4e9, 'ok'],
  [2e9, 4e9, 'ok'],
  [1e8, 4e9, 'warning'],
  [1e8, 64e6, 'ok'],
])('%d bytes free for a quota of %d is %s', (free, quota, state) => {
  expect(spaceFinding('/state', free, quota).state).toBe(state);
});

const kind = (state: { installed: boolean; running: boolean | null }): ServiceKind => ({
  name: 'task',
  install: async () => [],
  uninstall: async () => [],
  state: async () => state,
});
const noRun = async () => ({ code: 0, said: '' });

test.each([
  ['nothing', [], 'warning'],
  ['not installed', [kind({ installed: false, running: false })], 'warning'],
  ['installed, running', [kind({ installed: true, running: true })], 'ok'],
  ['installed, not to be told', [kind({ installed: true, running: null })], 'ok'],
  ['installed, stopped', [kind({ installed: true, running: false })], 'failed'],
  [
    'the second kind runs',
    [kind({ installed: false, running: null }), kind({ installed: true, running: true })],
    'ok',
  ],
])('service: %s', async (_, kinds, state) => {
  expect((await serviceFinding(kinds, noRun)).state).toBe(state);
});

test.each([
  ['"Mandatory Label\\High Mandatory Level","Label","S-1-16-12288"', 0, 'ok'],
  ['"Obowiązkowa etykieta\\Poziom systemu","Etykieta","S-1-16-16384"', 0, 'ok'],
  ['"Mandatory Label\\Medium Mandatory Level","Label","S-1-16-8192"', 0, 'warning'],
  ['', null, 'skipped'],
  ['', 0, 'skipped'],
  ['something else', 0, 'skipped'],
])('rights: %s', async (said, code, state) => {
  expect((await rightsFinding(async () => ({ code, said }))).state).toBe(state);
});

const volume = { device: '\\\\?\\Volume{1}\\', name: 'C:\\', fileSystem: 'NTFS', driveType: 3, free: 5e10 };
const look = { volumes: [volume], mounts: [], shadows: [], storage: [], problem: null };
const problem = { error: 'x', category: 'y', message: 'Access denied' };
test.each([
  ['NTFS', look, [['volume', 'ok']]],
  ['exFAT', { ...look, volumes: [{ ...volume, fileSystem: 'exFAT' }] }, [['volume', 'warning']]],
  ['a stick', { ...look, volumes: [{ ...volume, driveType: 2 }] }, []],
  ['a recovery partition', { ...look, volumes: [{ ...volume, name: null }] }, []],
  [
    'room for shadow copies',
    { ...look, storage: [{ device: volume.device, used: 1e9, most: 5e9 }] },
    [['volume', 'ok']],
  ],
  [
    'next to no room',
    { ...look, storage: [{ device: volume.device, used: 0, most: 1e8 }] },
    [['shadow-storage', 'warning']],
  ],
  ['a full disk', { ...look, volumes: [{ ...volume, free: 1e8 }] }, [['shadow-storage', 'warning']]],
  [
    'a list that is denied',
    { ...look, problem },
    [
      ['volume', 'ok'],
      ['shadow-storage', 'failed'],
    ],
  ],
])('volumes: %s', (_, seen, expected) => {
  expect(volumeFindings(seen).map(({ check, state }) => [check, state])).toEqual(expected);
});

describe('a snapshot, there and back', () => {
  /** A provider over folders, with one fault. */
  function folders(fault: 'none' | 'create' | 'live' | 'left' | 'gone'): SnapshotProvider {
    const root = tempDir();
    return {
      kind: 'btrfs',
      volumeOf: async () => ({ root: '/' }),
      create: async (_, id) => {
        if (fault === 'create') throw new Error('no room');
        const place = join(root, id);
        mkdirSync(place);
        return { root: place, handle: null, outlookRunning: null };
      },
      pathIn: (place, _, real) => {
        if (fault === 'live') return real;
        const file = join(place, 'frozen');
        if (fault !== 'gone') writeFileSync(file, 'before');
        return file;
      },
      exists: async () => true,
      remove: async () => {
        if (fault === 'left') throw new Error('it stays');
        return true;
      },
    };
  }
  const run = (provider: SnapshotProvider) => {
    const db = openDeviceDb(join(tempDir(), 'x.db'));
    return snapshotFindings({
      providers: [provider],
      surroundings: { journal: new SnapshotJournal(db), now: Date.now },
      sources: [],
      scratch: tempDir(),
      choice: 'require',
    }).finally(() => db.close());
  };

  test.each([
    ['none', 'ok', / was frozen \(btrfs\), read and let go in /],
    ['create', 'failed', /no room/],
    ['live', 'failed', /shows what was written after/],
    ['left', 'failed', /it stays/],
    ['gone', 'failed', /ENOENT/],
  ] as const)('fault %s', async (fault, state, sentence) => {
    const [finding] = await run(folders(fault));
    expect(finding).toMatchObject({ check: 'snapshot', state });
    expect(finding?.said).toMatch(sentence);
  });

  const lacking = lacksBtrfs();
  test.skipIf(lacking)(named('on a real volume: nothing is left', lacking), async () => {
    const place = btrfsVolume(tempDir(), 134_217_728);
    const db = openDeviceDb(join(tempDir(), 'x.db'));
    writeFileSync(join(place, 'mail.pst'), 'mail');
    const { btrfsSnapshots } = await import('../../../client/snapshot/btrfs.ts');
    const findings = await snapshotFindings({
      providers: [btrfsSnapshots],
      surroundings: { journal: new SnapshotJournal(db), now: Date.now },
      sources: [join(place, 'mail.pst')],
      scratch: tempDir(),
      choice: 'require',
    });
    db.close();
    expect(findings).toMatchObject([{ check: 'snapshot', state: 'ok' }]);
    expect(snapshotsOn(place)).toEqual([]);
    expect(readdirSync(place)).toEqual(['mail.pst']);
  });
});

describe('the program', () => {
  const doctor = async (state: string, env: NodeJS.ProcessEnv = {}) => {
    const ended = await start(process.execPath, [PROGRAM, 'doctor', '--state', state, '--json'], {
      HOME: tempDir(),
      ...env,
    }).ended;
    const of = (check: string): Finding => ended.json.findings.find((one: Finding) => one.check === check);
    return { ...ended, of };
  };

  test('a machine that is enrolled, with a server that answers and without a snapshot: each said', async () => {
    const { server, state } = await serverAndDevice(tempDir());
    try {
      const { code, of } = await doctor(state, { MAILFERRY_SNAPSHOT: 'prefer' });
      expect(of('server')).toMatchObject({ state: 'ok' });
      expect(of('device')).toMatchObject({ state: 'ok' });
      expect(of('clock')).toMatchObject({ state: 'ok' });
      expect(of('staging').said).toContain('staging may take');
      expect(['ok', 'warning']).toContain(of('snapshot').state);
      expect(of('service')).toMatchObject({ state: 'warning' });
      expect(code).toBe(0);
      const text = await mailferryOk('doctor', '--state', state).catch((error: Error) => ({
        stdout: error.message,
      }));
      expect(text.stdout).toMatch(/^ok {6}server {10}http/m);
    } finally {
      await stop(server);
    }
  });

  test('nobody is enrolled: it fails, says what to do, and leaves nothing', async () => {
    const state = join(tempDir(), 'state');
    const { code, of } = await doctor(state);
    expect(code).toBe(1);
    expect(of('device')).toMatchObject({
      state: 'failed',
      todo: expect.stringContaining('mailferry enroll'),
    });
    expect(() => readdirSync(state)).toThrow(/ENOENT/);
  });

  test('a server that is gone, and settings that are wrong, are failures with their sentences', async () => {
    const { server, state } = await serverAndDevice(tempDir());
    await stop(server);
    const { code, of } = await doctor(state, { MAILFERRY_EVERY_MINUTES: 'often' });
    expect(code).toBe(1);
    expect(of('connection')).toMatchObject({
      state: 'failed',
      said: expect.stringContaining("can't be reached"),
    });
    expect(of('server')).toMatchObject({ state: 'skipped', said: 'Not tried, as connection failed.' });
    expect(of('settings')).toMatchObject({ state: 'failed', said: expect.stringContaining('everyMinutes') });
  });

  test('something else that answers in the place of the server is seen as such', async () => {
    const { server, state } = await serverAndDevice(tempDir());
    await stop(server);
    const portal = createServer((_, response) =>
      response.writeHead(200, { date: 'Tue, 01 Jan 2030 00:00:00 GMT' }).end('Log in'),
    );
    await new Promise<void>((resolve) => {
      portal.listen(server.port, '127.0.0.1', resolve);
    });
    expect((portal.address() as AddressInfo).port).toBe(server.port);
    try {
      const { code, of } = await doctor(state);
      expect(code).toBe(1);
      expect(of('server')).toMatchObject({ state: 'failed', said: expect.stringContaining('log in') });
      expect(of('device')).toMatchObject({ state: 'skipped' });
    } finally {
      portal.close();
    }
  });
});
