// What happens to a laptop: lines that come and go, little room, days without a server, lost state, being asked to end.
import { cpSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { btrfsVolume, lacksBtrfs } from '../support/btrfs-volume.ts';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { changeMailFile, makeMailFile, sha256Of } from '../support/mail-file.ts';
import {
  enrol,
  mailferry,
  mailferryOk,
  type RunningServer,
  serverAndDevice,
  startServer,
  stop,
} from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

const LIVE = ['--snapshot', 'live'];

interface Road {
  readonly root: string;
  readonly state: string;
  readonly source: string;
  readonly server: RunningServer;
  readonly proxy: ChaosProxy;
}

/** A device that reaches its server over a line with faults, and a store of `size` bytes. */
async function road(size: number, seed: number): Promise<Road> {
  const root = tempDir();
  const [state, source] = [join(root, 'state'), join(root, 'mail.pst')];
  const server = await startServer(join(root, 'data'));
  const proxy = await ChaosProxy.start(server.port);
  onTestFinished(async () => {
    await proxy.close();
    await stop(server);
  });
  await enrol(server.data, proxy.url, state);
  makeMailFile(source, size, seed);
  return { root, state, source, server, proxy };
}

function backup({ source, state }: Pick<Road, 'source' | 'state'>, ...words: string[]) {
  return mailferry('backup', source, '--state', state, '--json', ...words);
}

async function expectRestorable(
  { root, source, state }: Pick<Road, 'root' | 'source' | 'state'>,
  sha256: string,
): Promise<void> {
  const to = join(root, `restored-${sha256}`);
  await mailferryOk('restore', source, '--to', to, '--state', state);
  expect(await sha256Of(to)).toBe(sha256);
}

describe('a line', () => {
  test('that is dead for 30 s, with every connection on it: sends again within 3 s of its return', async () => {
    const way = await road(80_000_000, 21);
    way.proxy.set({ rate: 20_000_000 });
    const running = backup(way, '--wait', ...LIVE);
    while (way.proxy.counted.up < 20_000_000) await pause(10);
    way.proxy.set({ frozen: true });
    await pause(30_000);
    const before = way.proxy.counted.up;
    const backAt = Date.now();
    way.proxy.set({ rate: 20_000_000 });
    while (way.proxy.counted.up < before + 300_000) await pause(20);
    expect(Date.now() - backAt).toBeLessThan(3_000);
    const done = await running.ended;
    expect(done.json.versions).toHaveLength(1);
    await expectRestorable(way, await sha256Of(way.source));
  }, 120_000);

  test('that is up for 20 s and down for 10, a quota of a quarter, a store that changes: a receipt', async (context) => {
    const missing = lacksBtrfs();
    context.skip(missing !== null, missing ?? '');
    const way = await road(1_000, 22);
    const source = join(btrfsVolume(way.root, 2_147_483_648), 'mail.pst');
    makeMailFile(source, 400_000_000, 22);
    const up = { rate: 8_000_000 };
    way.proxy.set(up);
    const running = backup({ ...way, source }, '--wait', '--quota', '100000000');
    let ended = false;
    void running.ended.then(() => {
      ended = true;
    });
    let most = 0;
    for (let second = 0; !ended; second++) {
      if (second % 30 === 20) {
        way.proxy.set({ refuse: true });
        way.proxy.cut();
      } else if (second % 30 === 0) way.proxy.set(up);
      if (second % 5 === 4) changeMailFile(source, 5, second);
      most = Math.max(most, bytesBelow(join(way.state, 'staging')));
      await pause(1_000);
    }
    const done = await running.ended;
    expect(done.json.versions, done.stdout).toHaveLength(1);
    expect(way.proxy.counted.cuts).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(100_000_000);
    // The receipt may have come in the last moment before the line went down again.
    way.proxy.set({});
    await expectRestorable({ ...way, source }, done.json.versions[0].sha256);
  }, 400_000);
});

/** Bytes of the files below a folder that others work in meanwhile. */
function bytesBelow(folder: string): number {
  let total = 0;
  try {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) total += statSync(join(entry.parentPath, entry.name)).size;
  } catch {
    // Something is gone already: the next look counts.
  }
  return total;
}

describe('days without a server', () => {
  test('stage the newest state, and that is what is sent when it is back', async () => {
    const way = await road(20_000_000, 23);
    await backup(way, '--wait', ...LIVE).ended;
    way.proxy.set({ refuse: true });
    const staged: number[] = [];
    for (let day = 1; day <= 4; day++) {
      changeMailFile(way.source, 40, day);
      const { json } = await backup(way, ...LIVE).ended;
      staged.push(json.queue.bytes);
      expect(readdirSync(join(way.state, 'staging'))).toHaveLength(1);
    }
    // Four days of changes to the same store, laid over each other once.
    expect(staged[3]!).toBeLessThan(5 * staged[0]!);
    // Nothing changed since: the same state is not read again.
    const again = await backup(way, ...LIVE).ended;
    expect(again.json.queue.bytes).toBe(staged[3]);
    way.proxy.set({});
    await backup(way, '--wait', ...LIVE).ended;
    const { json } = await mailferryOk('versions', way.source, '--state', way.state, '--json');
    expect(json.versions).toHaveLength(2);
    await expectRestorable(way, await sha256Of(way.source));
    expect(readdirSync(join(way.state, 'staging'))).toEqual([]);
  }, 120_000);
});

describe('lost state', () => {
  test.each([
    ['deleted', 300_000_000, (path: string) => rmSync(path)],
    ['damaged', 120_000_000, (path: string) => writeFileSync(path, Buffer.alloc(65_536, 0xa5))],
  ])(
    'a database that was %s after %d bytes is learnt again from the server: next to nothing is sent twice',
    async (_, size, harm) => {
      const way = await road(size, 24);
      await backup(way, '--wait', ...LIVE).ended;
      for (const name of readdirSync(way.state))
        if (name.startsWith('device.db-') || name === 'staging' || name === 'fingerprints')
          rmSync(join(way.state, name), { recursive: true });
      harm(join(way.state, 'device.db'));
      changeMailFile(way.source, 3, 9);
      const before = way.proxy.counted.up;
      // No path is given: which sources there were is learnt too.
      const { json } = await mailferry('backup', '--state', way.state, '--wait', '--json', ...LIVE).ended;
      expect(json.versions.map(({ path }: { path: string }) => path)).toEqual([way.source]);
      expect(way.proxy.counted.up - before).toBeLessThan(1_000_000);
      await expectRestorable(way, await sha256Of(way.source));
    },
    240_000,
  );

  test('a store that rested meanwhile is known again: it is not new, and goes back to its place outside of the home', async () => {
    const way = await road(2_000_000, 25);
    await backup(way, '--wait', ...LIVE).ended;
    for (const name of readdirSync(way.state))
      if (name.startsWith('device.db')) rmSync(join(way.state, name));
    expect((await backup(way, '--wait', ...LIVE).ended).json).toMatchObject({ versions: [], unchanged: 1 });
    const { json } = await mailferryOk('status', '--state', way.state, '--json');
    expect(json.sources).toMatchObject([{ path: way.source, state: 'backed-up' }]);
    const digest = await sha256Of(way.source);
    rmSync(way.source);
    await mailferryOk('restore', '--kind', 'pst', '--state', way.state);
    expect(await sha256Of(way.source)).toBe(digest);
  }, 60_000);
});

describe('a server restored from an old copy', () => {
  test.each([
    ['while the store rests', 0],
    ['and the store changed since', 20],
  ])(
    'is noticed %s: what it lacks is sent again',
    async (_, changes) => {
      const root = tempDir();
      const [data, copy, state] = [join(root, 'data'), join(root, 'copy'), join(root, 'state')];
      const source = join(root, 'mail.pst');
      makeMailFile(source, 10_000_000, 26);
      let server = await startServer(data);
      onTestFinished(async () => void (await stop(server)));
      await enrol(data, server.url, state);
      const way = { root, source, state };
      await backup(way, '--wait', ...LIVE).ended;
      await stop(server);
      cpSync(data, copy, { recursive: true });
      server = await startServer(data, server.port);
      for (const day of [1, 2]) {
        changeMailFile(source, 20, day);
        expect((await backup(way, '--wait', ...LIVE).ended).json.versions).toHaveLength(1);
      }
      await stop(server);
      rmSync(data, { recursive: true });
      cpSync(copy, data, { recursive: true });
      server = await startServer(data, server.port);
      if (changes > 0) changeMailFile(source, changes, 3);
      const noticed = await backup(way, '--wait', ...LIVE).ended;
      expect(noticed.stdout).toContain('The server has forgotten 2 receipts that it gave');
      expect(noticed.json).toMatchObject({ versions: [{ path: source }], failed: [] });
      await expectRestorable(way, await sha256Of(source));
      const rest = await backup(way, '--wait', ...LIVE).ended;
      expect(rest.json).toMatchObject({ versions: [], unchanged: 1 });
    },
    120_000,
  );
});

describe('being asked to end', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'by %s in the middle: within 5 s, and goes on',
    async (signal) => {
      const way = await road(50_000_000, 25);
      way.proxy.set({ rate: 10_000_000 });
      const running = backup(way, '--wait', ...LIVE);
      while (way.proxy.counted.up < 5_000_000) await pause(10);
      const askedAt = Date.now();
      running.child.kill(signal);
      expect((await running.ended).code).toBe(130);
      expect(Date.now() - askedAt).toBeLessThan(5_000);
      way.proxy.set({});
      const done = await backup(way, '--wait', ...LIVE).ended;
      expect(done.code).toBe(0);
      await expectRestorable(way, await sha256Of(way.source));
      expect(way.proxy.counted.up).toBeLessThan(1.05 * 50_000_000);
    },
    120_000,
  );
});

test('a state directory is one process’s: others end at once while it lives, and take it when it is dead', async () => {
  const root = tempDir();
  const { state, server } = await serverAndDevice(root);
  const source = join(root, 'mail.pst');
  makeMailFile(source, 1_000_000, 28);
  const first = mailferry('agent', '--state', state, '--json');
  onTestFinished(async () => {
    await stop(first);
    await stop(server);
  });
  await pause(3_000);
  const codes = async () => [
    (await mailferry('agent', '--state', state).ended).code,
    (await backup({ source, state }, '--wait', ...LIVE).ended).code,
  ];
  expect(await codes()).toEqual([11, 11]);
  first.child.kill('SIGSTOP');
  expect(await codes()).toEqual([11, 11]);
  // Looking needs no lock.
  expect((await mailferry('status', '--state', state).ended).code).toBe(0);
  first.child.kill('SIGKILL');
  await first.ended;
  const taken = await backup({ source, state }, '--wait', ...LIVE).ended;
  expect([taken.code, taken.json.versions.length]).toEqual([0, 1]);
}, 60_000);
