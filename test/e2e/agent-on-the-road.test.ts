// The agent on the road: put to sleep with a dead line, stopped in the middle of sending, without room on the server. It goes on, and
// sends next to nothing twice.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { makeMailFile, sha256Of } from '../support/mail-file.ts';
import { enrol, mailferryOk, PROGRAM, type RunningServer, startServer, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';
import { vaultPackBytes } from '../support/vault-packs.ts';

const MIB = 1_048_576;

interface Way {
  readonly root: string;
  readonly state: string;
  readonly source: string;
  readonly proxy: ChaosProxy;
  server: RunningServer;
}

/** A device that reaches its server over a line with faults, and a store of `size` bytes. */
async function road(size: number, ...limits: string[]): Promise<Way> {
  const root = tempDir();
  const [state, source] = [join(root, 'state'), join(root, 'mail.pst')];
  const server = await startServer(join(root, 'data'), 0, ...limits);
  const proxy = await ChaosProxy.start(server.port);
  const way: Way = { root, state, source, server, proxy };
  onTestFinished(async () => {
    await proxy.close();
    await stop(way.server);
  });
  await enrol(server.data, proxy.url, state);
  makeMailFile(source, size, 41);
  return way;
}

interface Agent {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown[]>;
  said(): string;
}

/** An agent as a service host starts it, for one store. */
function agent({ state, source, root }: Way): Agent {
  const words = [PROGRAM, 'agent', '--state', state, '--host', '--snapshot', 'live', '--json'];
  const env = { ...process.env, HOME: root, MAILFERRY_PATHS: source };
  const child = spawn(process.execPath, words, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return { child, ended: once(child, 'exit'), said: () => said };
}

const receipted = ({ said }: Agent) =>
  expect.poll(said, { timeout: 90_000, interval: 100 }).toContain('Receipt for');

/** Waits until so many bytes went to the server. */
const sent = (proxy: ChaosProxy, bytes: number) =>
  expect.poll(() => proxy.counted.up, { timeout: 40_000, interval: 20 }).toBeGreaterThan(bytes);

async function expectRestorable({ root, source, state }: Way): Promise<void> {
  const to = join(root, 'restored');
  await mailferryOk('restore', source, '--to', to, '--state', state);
  expect(await sha256Of(to)).toBe(await sha256Of(source));
}

describe('a machine that sleeps while its line dies, in the middle of sending', () => {
  test.each([
    ['30 s, and wakes with a line', 30_000, 0],
    ['10 s, and has a line 4 s after it woke', 10_000, 4_000],
  ])(
    'for %s: sends again within 3 s of the line’s return, and little twice',
    async (_, asleepMs, lineAfterMs) => {
      const way = await road(80_000_000);
      const { proxy } = way;
      const slow = { rate: 10_000_000 };
      proxy.set(slow);
      const running = agent(way);
      await sent(proxy, 20_000_000);
      running.child.kill('SIGSTOP');
      proxy.set({ frozen: true });
      await pause(asleepMs);
      running.child.kill('SIGCONT');
      await pause(lineAfterMs);
      const before = proxy.counted.up;
      const backAt = Date.now();
      proxy.set(slow);
      await sent(proxy, before + 300_000);
      expect(Date.now() - backAt).toBeLessThan(3_000);
      proxy.set({});
      await receipted(running);
      expect(proxy.counted.up - vaultPackBytes(way.server.data)).toBeLessThan(2 * MIB);
      running.child.stdin!.write('stop\n');
      expect(await running.ended).toEqual([0, null]);
      await expectRestorable(way);
    },
    150_000,
  );
});

describe('an agent that is stopped in the middle of sending', () => {
  test.each<[string, (child: ChildProcess) => unknown]>([
    ['SIGTERM', (child) => child.kill('SIGTERM')],
    ['SIGHUP', (child) => child.kill('SIGHUP')],
    ['a line of its host', (child) => child.stdin!.write('stop\n')],
  ])(
    'by %s: within 5 s, with exit code 0, and the next one goes on',
    async (_, ask) => {
      const way = await road(40_000_000);
      const { proxy } = way;
      proxy.set({ rate: 5_000_000 });
      const first = agent(way);
      await sent(proxy, 5_000_000);
      const askedAt = Date.now();
      ask(first.child);
      expect(await first.ended).toEqual([0, null]);
      expect(Date.now() - askedAt).toBeLessThan(5_000);
      expect(first.said()).not.toContain('Receipt for');
      proxy.set({});
      const second = agent(way);
      await receipted(second);
      expect(proxy.counted.up - vaultPackBytes(way.server.data)).toBeLessThan(MIB);
      second.child.stdin!.write('stop\n');
      expect(await second.ended).toEqual([0, null]);
      await expectRestorable(way);
    },
    120_000,
  );
});

test('a device that has no room left on the server says so, and goes on when it was given more', async () => {
  const way = await road(20_000_000, '--quota', '5M');
  const { state, server } = way;
  const running = agent(way);
  const hint = 'Ask the operator for more room; the upload goes on by itself.';
  await expect.poll(running.said, { timeout: 30_000 }).toContain(hint);
  const { json } = await mailferryOk('status', '--state', state, '--json');
  expect(json.sources).toMatchObject([{ path: way.source, state: 'quota_full', lastReceiptAt: null, hint }]);
  expect((await mailferryOk('status', '--state', state)).stdout).toContain(hint);
  await stop(server);
  way.server = await startServer(server.data, server.port, '--quota', '100M');
  // It would by itself within ten minutes; a person who asks need not wait.
  await mailferryOk('wake', '--state', state);
  await receipted(running);
  const after = await mailferryOk('status', '--state', state, '--json');
  expect(after.json.sources).toMatchObject([{ path: way.source, state: 'backed-up' }]);
  expect(after.json.sources[0]).not.toHaveProperty('hint');
  running.child.stdin!.write('stop\n');
  expect(await running.ended).toEqual([0, null]);
  await expectRestorable(way);
}, 120_000);
