// Lines that break and lines that freeze: a first backup gets through them, and sends little twice.
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { makeMailFile, sha256Of } from '../support/mail-file.ts';
import { enrol, mailferry, mailferryOk, startServer, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

const MIB = 1_048_576;

describe('a first backup', () => {
  test('of 300 MB over a line that is reset every 2 MB', async () => {
    const root = tempDir();
    const [data, state, source] = [join(root, 'data'), join(root, 'state'), join(root, 'mail.pst')];
    const server = await startServer(data);
    const proxy = await ChaosProxy.start(server.port);
    await enrol(data, proxy.url, state);
    makeMailFile(source, 300_000_000, 5);
    proxy.set({ resetAfter: 2_000_000 });
    const done = await mailferryOk(
      'backup',
      source,
      '--wait',
      '--snapshot',
      'live',
      '--state',
      state,
      '--json',
    );
    const [version] = done.json.versions;
    expect(version.sha256).toBe(await sha256Of(source));
    expect(proxy.counted.cuts).toBeGreaterThan(20);
    const sentTwice = proxy.counted.up - version.sent;
    expect(sentTwice / proxy.counted.cuts).toBeLessThan(MIB);
    proxy.set({});
    await mailferryOk('restore', source, '--to', join(root, 'restored'), '--state', state);
    expect(await sha256Of(join(root, 'restored'))).toBe(version.sha256);
    await stop(server);
    await proxy.close();
  }, 180_000);

  test('of 300 MB over a line that freezes: noticed within 30 s, goes on', async () => {
    const root = tempDir();
    const [data, state, source] = [join(root, 'data'), join(root, 'state'), join(root, 'mail.pst')];
    const server = await startServer(data);
    const proxy = await ChaosProxy.start(server.port);
    await enrol(data, proxy.url, state);
    makeMailFile(source, 300_000_000, 6);
    const running = mailferry('backup', source, '--wait', '--snapshot', 'live', '--state', state, '--json');
    while (proxy.counted.up < 40_000_000) await pause(10);
    proxy.set({ frozen: true });
    const frozenAt = Date.now();
    // What was frozen stays so: only connections made from now on work.
    await pause(1_000);
    const before = proxy.counted.up;
    proxy.set({});
    // More than a probe or a new connection has: bytes of the store.
    while (proxy.counted.up < before + 300_000) await pause(50);
    expect(Date.now() - frozenAt).toBeLessThan(30_000);
    const done = await running.ended;
    expect(done.code).toBe(0);
    expect(done.json.versions[0].sha256).toBe(await sha256Of(source));
    await stop(server);
    await proxy.close();
  }, 180_000);
});
