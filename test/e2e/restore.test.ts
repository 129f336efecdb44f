// A restore that is cut, killed, damaged and raced: it goes on where it was, and nothing but the whole file is ever seen.
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { enlarge, lacksSmallDisk, smallDisk } from '../support/client/small-disk.ts';
import { changeMailFile, makeMailFile, sha256Of } from '../support/mail-file.ts';
import {
  enrol,
  kill,
  mailferry,
  mailferryOk,
  type Running,
  type RunningServer,
  serverAndDevice,
  startServer,
  stop,
} from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

const noSmallDisk = lacksSmallDisk();

const MIB = 1_048_576;
const SIZE = 60_000_000;
/** When the source was last written; as a double in seconds it is a little less. */
const WRITTEN = '2020-01-01T23:59:59.777Z';
/** Slow enough that a restore is met half-way. */
const SLOW = 12_000_000;

function setMtime(path: string, iso: string): void {
  const seconds = Date.parse(iso) / 1_000 + 5e-7;
  utimesSync(path, seconds, seconds);
}

/** To the whole millisecond below, as the disk has it: a Date is rounded. */
function mtimeOf(path: string): string {
  return new Date(Number(statSync(path, { bigint: true }).mtimeNs / 1_000_000n)).toISOString();
}

describe('a restore of 60 MB', () => {
  let root: string;
  let source: string;
  let sha256: string;
  let server: RunningServer;
  let proxy: ChaosProxy;
  let state: string;
  let to: string;
  const words = (...more: string[]) => ['restore', source, '--to', to, '--state', state, '--json', ...more];
  const parts = (folder: string) => readdirSync(folder).filter((name) => name.includes('mailferry-part'));

  /** Waits until this many bytes more came down, or the process ended. */
  async function comeDown(bytes: number, running: Running): Promise<void> {
    const goal = proxy.counted.down + bytes;
    let ended = false;
    void running.ended.then(() => {
      ended = true;
    });
    while (proxy.counted.down < goal && !ended) await pause(2);
    expect(ended).toBe(false);
  }

  /** A restore that was killed when half of it had come; the folder and the part that it left. */
  async function killedAtHalf(name: string): Promise<{ folder: string; part: string }> {
    const folder = join(root, name);
    mkdirSync(folder);
    to = join(folder, 'mail.pst');
    proxy.set({ rateDown: SLOW });
    const running = mailferry(...words());
    await comeDown(SIZE / 2, running);
    await kill(running);
    expect(existsSync(to)).toBe(false);
    proxy.set({});
    const [part, ...more] = parts(folder);
    expect(more).toEqual([]);
    return { folder, part: join(folder, part!) };
  }

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'mailferry-test-'));
    state = join(root, 'state');
    source = join(root, 'mail.pst');
    server = await startServer(join(root, 'data'));
    proxy = await ChaosProxy.start(server.port);
    await enrol(server.data, proxy.url, state);
    makeMailFile(source, SIZE, 21);
    setMtime(source, WRITTEN);
    sha256 = await sha256Of(source);
    await mailferryOk('backup', source, '--wait', '--snapshot', 'live', '--state', state);
  }, 120_000);
  afterAll(async () => {
    if (server) await stop(server);
    await proxy?.close();
    if (root) rmSync(root, { recursive: true, force: true });
  });

  test('goes on by Range when its line is cut, and shows nothing before the end', async () => {
    const folder = join(root, 'cut');
    mkdirSync(folder);
    to = join(folder, 'mail.pst');
    const before = proxy.counted.down;
    proxy.set({ rateDown: SLOW });
    const running = mailferry(...words());
    for (const share of [0.3, 0.3]) {
      await comeDown(SIZE * share, running);
      proxy.cut();
      expect(existsSync(to)).toBe(false);
    }
    expect(await running.ended).toMatchObject({ code: 0, json: { bytes: SIZE, sha256 } });
    expect(proxy.counted.down - before).toBeLessThan(SIZE + 3 * MIB);
    expect(await sha256Of(to)).toBe(sha256);
    expect(readdirSync(folder)).toEqual(['mail.pst']);
    expect(mtimeOf(to)).toBe(WRITTEN);
  }, 120_000);

  test('goes on after a kill, and leaves nothing else behind', async () => {
    const { folder } = await killedAtHalf('killed');
    const before = proxy.counted.down;
    expect(await mailferryOk(...words())).toMatchObject({ json: { bytes: SIZE, sha256 } });
    expect(proxy.counted.down - before).toBeLessThan(SIZE * 0.6);
    expect(await sha256Of(to)).toBe(sha256);
    expect(readdirSync(folder)).toEqual(['mail.pst']);
    expect(mtimeOf(to)).toBe(WRITTEN);
  }, 120_000);

  test.each<[string, (part: string) => void]>([
    [
      'changed in its middle',
      (part) => {
        const file = openSync(part, 'r+');
        writeSync(file, 'not what came', 10_000_000);
        closeSync(file);
      },
    ],
    ['longer than the file', (part) => writeFileSync(part, Buffer.alloc(SIZE + 5))],
    ['empty', (part) => writeFileSync(part, '')],
  ])(
    'a part that was %s meanwhile is noticed',
    async (how, damage) => {
      const { folder, part } = await killedAtHalf(how);
      damage(part);
      expect(await mailferryOk(...words())).toMatchObject({ json: { bytes: SIZE, sha256 } });
      expect(await sha256Of(to)).toBe(sha256);
      expect(readdirSync(folder)).toEqual(['mail.pst']);
    },
    120_000,
  );

  test.skipIf(noSmallDisk)(
    `a disk that is too small is said, and what came is of use once there is room${noSmallDisk ? ` (skipped: ${noSmallDisk})` : ''}`,
    async () => {
      const disk = smallDisk(root, 40 * MIB);
      to = join(disk, 'mail.pst');
      const refused = await mailferry(...words()).ended;
      expect(refused).toMatchObject({ code: 1, json: { error: { code: 'target_full' } } });
      expect(refused.json).toMatchObject({ error: { message: expect.stringContaining(disk) } });
      expect(existsSync(to)).toBe(false);
      enlarge(disk, 200 * MIB);
      const before = proxy.counted.down;
      expect(await mailferryOk(...words())).toMatchObject({ json: { bytes: SIZE, sha256 } });
      expect(proxy.counted.down - before).toBeLessThan(SIZE / 2);
      expect(await sha256Of(to)).toBe(sha256);
      expect(readdirSync(disk)).toEqual(['mail.pst']);
    },
    120_000,
  );

  test('a folder that is not there is said, and nothing is asked for again and again', async () => {
    to = join(root, 'none', 'mail.pst');
    expect(await mailferry(...words()).ended).toMatchObject({
      code: 1,
      json: { error: { code: 'target_unwritable', message: expect.stringContaining(join(root, 'none')) } },
    });
  }, 120_000);

  test('never writes over a file, not over one that came meanwhile either, unless told', async () => {
    const folder = join(root, 'raced');
    mkdirSync(folder);
    to = join(folder, 'mail.pst');
    proxy.set({ rateDown: SLOW });
    const running = mailferry(...words());
    await comeDown(SIZE / 2, running);
    writeFileSync(to, 'somebody else');
    proxy.set({});
    expect(await running.ended).toMatchObject({ code: 1, json: { error: { code: 'target_exists' } } });
    expect(readFileSync(to, 'utf8')).toBe('somebody else');
    const again = await mailferry(...words()).ended;
    expect(again).toMatchObject({ code: 1, json: { error: { code: 'target_exists' } } });
    expect(readFileSync(to, 'utf8')).toBe('somebody else');
    // What had come by then is not fetched a second time.
    const before = proxy.counted.down;
    expect(await mailferryOk(...words('--overwrite'))).toMatchObject({ json: { sha256 } });
    expect(proxy.counted.down - before).toBeLessThan(MIB);
    expect(await sha256Of(to)).toBe(sha256);
    expect(readdirSync(folder)).toEqual(['mail.pst']);
  }, 120_000);
});

describe('restore --at', () => {
  test('gives the newest version at that time, with its time of last writing', async () => {
    const root = tempDir();
    const { server, state } = await serverAndDevice(root);
    const source = join(root, 'mail.pst');
    const to = join(root, 'restored.pst');
    makeMailFile(source, 2 * MIB, 22);
    const days: { sha256: string; mtime: string }[] = [];
    for (let day = 1; day <= 3; day++) {
      if (day > 1) changeMailFile(source, 5, day);
      const mtime = `2020-01-0${day}T00:00:00.123Z`;
      setMtime(source, mtime);
      days.push({ sha256: await sha256Of(source), mtime });
      await mailferryOk('backup', source, '--wait', '--snapshot', 'live', '--state', state);
    }
    const { json } = await mailferryOk('versions', source, '--state', state, '--json');
    // The server's own time counts: that of a laptop may be anything.
    const taken: number[] = json.versions
      .map(({ receivedAt }: { receivedAt: string }) => Date.parse(receivedAt))
      .reverse();
    expect(taken).toHaveLength(3);
    const restore = (at: number) =>
      mailferry(
        ...['restore', source, '--at', new Date(at).toISOString(), '--to', to, '--overwrite'],
        ...['--state', state, '--json'],
      ).ended;
    for (const [at, day] of [
      [taken[0]!, 0],
      [taken[1]! - 1, 0],
      [taken[1]!, 1],
      [taken[2]! - 1, 1],
      [Date.now(), 2],
    ] as const) {
      expect(await restore(at)).toMatchObject({ code: 0, json: { sha256: days[day]!.sha256 } });
      expect(await sha256Of(to)).toBe(days[day]!.sha256);
      expect(mtimeOf(to)).toBe(days[day]!.mtime);
    }
    expect(await restore(taken[0]! - 1)).toMatchObject({ code: 1, json: { error: { code: 'not_found' } } });
    expect(await sha256Of(to)).toBe(days[2]!.sha256);
    await stop(server);
  }, 120_000);
});
