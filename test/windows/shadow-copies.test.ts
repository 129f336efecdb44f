// The whole device as Windows runs it, under Wine, against a server on this machine: a store that is held as Outlook holds it is
// backed up out of a shadow copy and comes back byte for byte, whatever is cut or killed. PowerShell is a stand-in.
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { changeMailFile, makeMailFile, sha256Of } from '../support/mail-file.ts';
import { mailferryOk, type RunningServer, removeServer, startOwnServer } from '../support/mailferry.ts';
import { named } from '../support/programs.ts';
import type { Fault } from '../support/shadow-host.ts';
import { WindowsMachine } from './shadow-copies.ts';
import { lacksWine } from './wine.ts';

const reason = lacksWine();
/** Each start of a program under Wine takes seconds on a busy machine, and a test starts up to ten. */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
const MIB = 1_048_576;

describe.skipIf(reason)(named('the device on Windows (Wine, a stand-in for PowerShell)', reason), () => {
  let windows: WindowsMachine;
  let server: RunningServer;
  let proxy: ChaosProxy;
  let stores = 0;
  beforeAll(async () => {
    windows = await WindowsMachine.start();
    server = await startOwnServer();
    proxy = await ChaosProxy.start(server.port);
    const { json } = await mailferryOk('server', 'token', 'create', '--data', server.data, '--json');
    const enrolled = windows.start(['enroll', '--server', proxy.url], { MAILFERRY_TOKEN: json.token });
    expect(await enrolled.ended).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    windows?.close();
    await proxy?.close();
    await removeServer(server);
  });

  /** A store of its own that another process holds; nothing was asked of Windows yet, and the line is whole. */
  async function heldStore(size: number) {
    windows.host.clear();
    proxy.set({});
    const path = `C:\\Users\\Żółć 邮件 📬\\Documents\\Outlook Files\\mail-${stores++}.pst`;
    const here = windows.wine.here(path);
    mkdirSync(dirname(here), { recursive: true });
    makeMailFile(here, size, stores);
    onTestFinished(await windows.hold(path));
    return { path, here, sum: await sha256Of(here) };
  }

  /** Every shadow copy that was made is gone, and each was asked to be deleted exactly once. */
  function expectEachDeletedOnce(made: number) {
    expect(windows.host.shadows).toEqual([]);
    expect(windows.host.count('create')).toBe(made);
    expect(windows.host.deletions).toHaveLength(made);
    expect(new Set(windows.host.deletions).size).toBe(made);
  }

  async function expectRestored(path: string, sum: string) {
    windows.wine.remove('C:\\restored.pst');
    const restored = await windows.run('restore', path, '--to', 'C:\\restored.pst');
    expect(restored).toMatchObject({ code: 0, json: { sha256: sum } });
    expect(await sha256Of(windows.wine.here('C:\\restored.pst'))).toBe(sum);
  }

  test('a store held by Outlook: locked live, backed up from a shadow copy, restored byte for byte', async () => {
    const { path, here, sum } = await heldStore(24 * MIB);
    const live = await windows.run('backup', path, '--wait', '--snapshot', 'live');
    expect(live.code).toBe(1);
    expect(live.json.failed).toMatchObject([{ path, code: 'source_locked' }]);
    expect(windows.host.asked).toEqual([]);

    const backup = await windows.run('backup', path, '--wait');
    expect(backup.stderr.replace(/^error: XDG.*$/m, '').trim()).toBe('');
    expect(backup).toMatchObject({
      code: 0,
      json: { versions: [{ path, size: 24 * MIB, sha256: sum, snapshot: 'vss' }], failed: [] },
    });
    expectEachDeletedOnce(1);
    expect(windows.host.words[0]).toContain('C:\\mailferry\\dist\\client\\snapshot\\vss\\shadow-copy.ps1');
    await expectRestored(path, sum);

    changeMailFile(here, 200, 7);
    const day = await windows.run('backup', path, '--wait');
    expect(day).toMatchObject({ code: 0, json: { versions: [{ sha256: await sha256Of(here) }] } });
    expect(day.json.versions[0].sent).toBeLessThan(4 * MIB);
    expectEachDeletedOnce(2);
    await expectRestored(path, await sha256Of(here));
  });

  test('connections cut and the process killed in the middle: it goes on, little is sent twice', async () => {
    const { path, sum } = await heldStore(48 * MIB);
    proxy.set({ resetAfter: 3 * MIB });
    const before = { ...proxy.counted };
    const first = windows.start(['backup', path, '--wait']);
    await expect
      .poll(() => proxy.counted.up - before.up, { timeout: 90_000, interval: 20 })
      .toBeGreaterThan(10 * MIB);
    first.child.kill('SIGKILL');
    await first.ended;
    const sent = proxy.counted.up;
    const again = await windows.run('backup', path, '--wait');
    expect(again).toMatchObject({ code: 0, json: { failed: [] } });
    // Where all was read before the kill, the first thing the next run does is to bring that to its receipt.
    const { json } = await windows.run('versions', path);
    expect(json.versions).toMatchObject([{ path, sha256: sum, snapshot: 'vss', outlookRunning: false }]);
    expect(proxy.counted.cuts - before.cuts).toBeGreaterThan(3);
    // Random thirds and copied bytes leave about 30 MB to send; all of it again would be more than this.
    expect(proxy.counted.up - sent).toBeLessThan(40 * MIB);
    expect(windows.host.shadows).toEqual([]);
    expect(new Set(windows.host.deletions).size).toBe(windows.host.count('create'));
    expect(windows.host.deletions).toHaveLength(windows.host.count('create'));
    await expectRestored(path, sum);
  });

  test('killed after the shadow copy was made and before its id was written down: deleted by the next run, once', async () => {
    const { path, sum } = await heldStore(2 * MIB);
    let madeIt = () => {};
    const made = new Promise<void>((resolve) => {
      madeIt = resolve;
    });
    let letGo = () => {};
    windows.host.fault('create', async (asked, host) => {
      const answer = await host.serve(asked);
      madeIt();
      await new Promise<void>((resolve) => {
        letGo = resolve;
      });
      return answer;
    });
    const foreign = windows.host.make({ installed: new Date(Date.now() - 3_600_000).toISOString() });
    const killed = windows.start(['backup', path, '--wait']);
    await made;
    killed.child.kill('SIGKILL');
    await killed.ended;
    letGo();
    expect(windows.host.shadows).toHaveLength(2);
    const orphan = windows.host.shadows[1]!.id;

    const again = await windows.run('backup', path, '--wait');
    expect(again).toMatchObject({ code: 0, json: { versions: [{ path, sha256: sum, snapshot: 'vss' }] } });
    expect(windows.host.deletions.filter((id) => id === orphan)).toHaveLength(1);
    expect(windows.host.deletions).toHaveLength(2);
    expect(windows.host.shadows).toMatchObject([{ id: foreign.id }]);
    await expectRestored(path, sum);
  });

  test('killed while it reads, and again while the shadow copy goes: Windows deletes it once, and all goes on', async () => {
    const { path, sum } = await heldStore(64 * MIB);
    const staged = () => {
      const staging = windows.wine.here('C:\\state\\staging');
      return existsSync(staging) ? readdirSync(staging).length : 0;
    };
    const reading = windows.start(['backup', path, '--wait']);
    await expect.poll(staged, { timeout: 90_000, interval: 10 }).toBeGreaterThan(0);
    reading.child.kill('SIGKILL');
    await reading.ended;
    expect(windows.host.deletions).toEqual([]);
    const [first] = windows.host.shadows;

    let wentIt = () => {};
    const went = new Promise<void>((resolve) => {
      wentIt = resolve;
    });
    windows.host.fault('delete', async (asked, host) => {
      await host.serve(asked);
      wentIt();
      return { hang: true };
    });
    const reaping = windows.start(['backup', path, '--wait']);
    await went;
    reaping.child.kill('SIGKILL');
    await reaping.ended;

    const again = await windows.run('backup', path, '--wait');
    expect(again).toMatchObject({ code: 0, json: { failed: [] } });
    expect(windows.host.shadows).toEqual([]);
    expect(windows.host.deleted).toHaveLength(windows.host.count('create'));
    expect(windows.host.deleted[0]).toBe(first!.id);
    expect(new Set(windows.host.deleted).size).toBe(windows.host.deleted.length);
    const { json } = await windows.run('versions', path);
    expect(json.versions).toMatchObject([{ path, sha256: sum, snapshot: 'vss' }]);
    await expectRestored(path, sum);
  });

  test('a shadow copy that is gone before it is read, and one with a lock in it: the third is read whole', async () => {
    const { path, sum } = await heldStore(2 * MIB);
    windows.host.fault(
      'create',
      async (asked, host) => {
        const answer = await host.serve(asked);
        host.lose(host.shadows[0]!.id);
        return answer;
      },
      async (asked, host) => {
        const answer = await host.serve(asked);
        onTestFinished(await windows.hold(host.shadows[0]!.device + path.slice('C:'.length)));
        return answer;
      },
    );
    const backup = await windows.run('backup', path, '--wait');
    expect(backup).toMatchObject({
      code: 0,
      json: { versions: [{ path, sha256: sum, snapshot: 'vss' }], failed: [] },
    });
    const said = backup.stdout + backup.stderr;
    expect(said).toMatch(/The snapshot of C:.* went away/);
    expect(said).toMatch(/The snapshot of C:.* was locked/);
    expectEachDeletedOnce(3);
    await expectRestored(path, sum);
  });

  test.each<[string, Fault, string, RegExp]>([
    [
      'no room for shadow copies',
      (asked, host) => host.answer(asked, { returnValue: 6, outlook: false, id: null, device: null }),
      'snapshot_storage',
      /^There is no room for a shadow copy of C:/,
    ],
    [
      'PowerShell ended by another program',
      { kill: 'SIGKILL' },
      'snapshot_failed',
      /^Windows PowerShell .*ended/,
    ],
  ])(
    '%s: said in a sentence, in the status and by the exit code; the next run is whole',
    async (_, fault, code, sentence) => {
      const { path, sum } = await heldStore(MIB);
      windows.host.fault('create', fault);
      const failed = await windows.run('backup', path, '--wait');
      expect(failed).toMatchObject({ code: 1, json: { versions: [] } });
      expect(failed.json.failed).toMatchObject([{ path, code, message: expect.stringMatching(sentence) }]);
      const status = await windows.run('status');
      expect(status.json.sources).toContainEqual(
        expect.objectContaining({ path, state: code, lastReceiptAt: null }),
      );
      expect(windows.host.deletions).toEqual([]);

      const again = await windows.run('backup', path, '--wait');
      expect(again).toMatchObject({ code: 0, json: { versions: [{ path, sha256: sum, snapshot: 'vss' }] } });
      expect(windows.host.deletions).toHaveLength(1);
      expect(windows.host.shadows).toEqual([]);
    },
  );

  test('a hive that an earlier process left, loaded and held: said, no other secret stays, and the backup is whole', async () => {
    const { path, sum } = await heldStore(MIB);
    // Wine's reg.exe unloads nothing: for it this key is one that can't be unloaded.
    const key = 'HKEY_USERS\\mailferry-left';
    expect(await windows.wine.run('reg.exe', ['add', key, '/f'])).toMatchObject({ code: 0 });
    const hive = 'C:\\state\\exports\\mailferry-a\\mailferry-b\\NTUSER.DAT';
    const exported = 'C:\\state\\exports\\mailferry-a\\profiles.reg';
    windows.wine.write(hive, 'a hive');
    windows.wine.write(exported, 'a secret');
    const letGo = await windows.hold(hive);
    const backup = await windows.run('backup', path, '--wait');
    expect(backup).toMatchObject({ code: 0, json: { versions: [{ path, sha256: sum }], failed: [] } });
    const said = backup.stdout
      .split('\n')
      .filter((line) => line.startsWith('{"progress":{"message"'))
      .map((line) => JSON.parse(line).progress.message);
    expect(said).toEqual([
      `A copy of a user's registry stays loaded: reg.exe can't unload ${key}: it ended with 1. The next start tries again.`,
      `${hive} is a secret that an earlier run left, and can't be removed now. The next start tries again.`,
    ]);
    expect([hive, exported].map((one) => existsSync(windows.wine.here(one)))).toEqual([true, false]);

    await letGo();
    expect(await windows.wine.run('reg.exe', ['delete', key, '/f'])).toMatchObject({ code: 0 });
    const again = await windows.run('backup', path, '--wait');
    expect(again).toMatchObject({ code: 0, json: { unchanged: 1 } });
    expect(again.stdout).not.toContain('earlier run');
    expect(readdirSync(windows.wine.here('C:\\state\\exports'))).toEqual([]);
  });

  test('without administrator rights nothing is read and nothing claimed', async () => {
    const { path } = await heldStore(2 * MIB);
    const denied = (asked: { request: string; action: string }) =>
      windows.host.answer(asked, { returnValue: 1, outlook: false, id: null, device: null });
    windows.host.fault('create', denied);
    const required = await windows.run('backup', path, '--wait');
    expect(required).toMatchObject({ code: 1, json: { versions: [] } });
    expect(required.json.failed).toMatchObject([
      { path, code: 'snapshot_denied', message: expect.stringMatching(/^Windows refused/) },
    ]);
    expect(windows.host.deletions).toEqual([]);
  });
});
